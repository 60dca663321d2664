"""The numbers of an evaluation, each against a computation of its own."""

import numpy as np
import pytest
import torch
from evaluation_data import HEIGHT, WIDTH, write_pairs, write_weights
from PIL import Image

from vif_perception.inference.engine import EngineOutput
from vif_perception.inference.torch_engine import best_precision
from vif_perception.inference.weights import load_network
from vif_perception.labels import MFNET
from vif_perception.metrics.fusion import fusion_metrics
from vif_perception.models.deploy import Deployed
from vif_perception.sim import still_exposures
from vif_perception.training.evaluation import Request, dataset_config, prepare
from vif_perception.training.evaluation.choice import Choice, ranked
from vif_perception.training.evaluation.flicker import GAIN, SEED, flicker
from vif_perception.training.evaluation.frames import EvaluationFrame, open_frames
from vif_perception.training.evaluation.segmentation import SegmentationRows
from vif_perception.training.evaluation.systems import System, load_systems
from vif_perception.training.evaluation.tables import tables_of

WINDOW = torch.tensor([0.0, 255.0])
SUMS = ('miou_present', 'miou_foreground', 'miou_fixed', 'accuracy', 'ece')


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with a labelled set of four frames and weights a, b of two seeds."""
    folder = tmp_path_factory.mktemp('evaluation')
    write_pairs(folder / 'set')
    for name, seed in (('a', 1), ('b', 2)):
        write_weights(folder / f'{name}.safetensors', seed)
    return folder


@pytest.fixture(scope='module')
def found(place):
    """Seeds a and b as one system, a cascade of both, on the set."""
    return prepare(Request(
        [f'ab={place / "a.safetensors"},{place / "b.safetensors"}'],
        [f'cascade={place / "a.safetensors"}+{place / "b.safetensors"}'],
        [dataset_config(str(place / 'set'), '--data')], flicker_frames=0,
    )).measure().results


def deployed(path):
    network, card = load_network(path)
    precision = best_precision(torch.device('cpu'))
    return Deployed(network, precision=precision, temperature=card.temperature).eval()


def frames_of(folder):
    names = [f'f{index}' for index in range(4)]
    return [
        [np.array(Image.open(folder / f'{name}_{kind}.png')) for kind in ('vi', 'ir', 'label')]
        for name in names
    ]


@torch.no_grad()
def outputs(module, rgb, thermal, flags=(1.0, 1.0)):
    seen = module(torch.from_numpy(rgb), torch.from_numpy(thermal), WINDOW, torch.tensor(flags))
    return [item.numpy() for item in seen[:3]]


def expected(seen):
    """Scores of (mask, confidence, truth), by loops over classes and bins."""
    mask, confidence, truth = (
        np.concatenate([item[k].ravel() for item in seen]) for k in range(3)
    )
    kept = truth != 255
    mask, truth, chance = mask[kept], truth[kept], confidence[kept] / 255
    iou = {}
    for index, name in enumerate(MFNET.names):
        union = ((mask == index) | (truth == index)).sum()
        both = ((mask == index) & (truth == index)).sum()
        iou[name] = both / union if union else None
    there = [value for value in iou.values() if value is not None]
    front = [value for name, value in iou.items() if value is not None and name != 'unlabelled']
    error = 0.0
    for low in np.arange(15) / 15:
        inside = (chance > low) & (chance <= low + 1 / 15 + 1e-9)
        if inside.any():
            right = (mask == truth)[inside].mean()
            error += inside.mean() * abs(right - chance[inside].mean())
    values = (np.mean(there), np.mean(front), sum(there) / 9, (mask == truth).mean(), error)
    return dict(zip(SUMS, values, strict=True)), iou


def row(results, name):
    (rows,) = results['segmentation'].values()
    return next(item for item in rows if item['name'] == name)


def agrees(score, seen):
    sums, iou = expected(seen)
    assert {key: score[key] for key in SUMS} == pytest.approx(sums, abs=1e-6)
    assert score['per_class'] == pytest.approx(iou)


@pytest.mark.parametrize('condition, flags', [
    ('FUSED', (1.0, 1.0)), ('RGB_ONLY', (1.0, 0.0)), ('THERMAL_ONLY', (0.0, 1.0)),
])
def test_every_mode_is_what_the_deployed_module_gives(place, found, condition, flags):
    for seed, name in enumerate('ab'):
        module = deployed(place / f'{name}.safetensors')
        seen = []
        for rgb, thermal, truth in frames_of(place / 'set'):
            _, mask, confidence = outputs(module, rgb, thermal, flags)
            seen.append((mask, confidence, truth))
        agrees(row(found, f'ab {condition}')['seeds'][seed], seen)
        agrees(row(found, f'ab {condition}, day')['seeds'][seed], seen[:2])
        agrees(row(found, f'ab {condition}, night')['seeds'][seed], seen[2:])
    assert len({mask.tobytes() for mask, _, _ in seen}) > 1


def test_disturbed_cameras_are_what_the_deployed_module_makes_of_them(place, found):
    module = deployed(place / 'a.safetensors')
    frames = frames_of(place / 'set')
    shifted = [
        (rgb, np.pad(thermal, ((0, 0), (4, 0)))[:, :WIDTH], truth)
        for rgb, thermal, truth in frames
    ]
    black = [(rgb, 0 * thermal, truth) for rgb, thermal, truth in frames]
    frozen = [  # the second frame by day and by night: a frame before of the same light
        (frames[index - 1][0], frames[index][1], frames[index][2]) for index in (1, 3)
    ]
    for name, shown in (('FUSED, thermal shifted 4 px', shifted),
                        ('told FUSED, thermal black', black), ('told FUSED, rgb frozen', frozen)):
        seen = []
        for rgb, thermal, truth in shown:
            _, mask, confidence = outputs(module, rgb, thermal)
            seen.append((mask, confidence, truth))
        agrees(row(found, f'ab {name}')['seeds'][0], seen)
        assert row(found, f'ab {name}')['seeds'][0]['frames'] == len(shown)


def test_a_cascade_is_one_call_after_the_other(place, found):
    fuse, segment = (deployed(place / f'{name}.safetensors') for name in 'ab')
    for name, flags in (('cascade FUSED', (1.0, 1.0)), ('cascade RGB_ONLY', (1.0, 0.0))):
        seen = []
        for rgb, thermal, truth in frames_of(place / 'set'):
            fused, _, _ = outputs(fuse, rgb, thermal, flags)
            _, mask, confidence = outputs(segment, fused, 0 * thermal, (1.0, 0.0))
            seen.append((mask, confidence, truth))
        agrees(row(found, name)['seeds'][0], seen)
    assert set(found['fusion']['set test']) == {'VIS', 'IR', 'AVG', 'MAX', 'ab'}


def test_fusion_rows_are_means_of_the_8_bit_output(place, found):
    scores = found['fusion']['set test']
    for seed, name in enumerate('ab'):
        module = deployed(place / f'{name}.safetensors')
        sums: dict[str, float] = {}
        for rgb, thermal, _ in frames_of(place / 'set'):
            fused, _, _ = outputs(module, rgb, thermal)
            y, visible = (
                torch.from_numpy(np.round(image @ [0.299, 0.587, 0.114]))[None]
                for image in (fused, rgb)
            )
            for metric, value in fusion_metrics(y, torch.from_numpy(thermal)[None],
                                                visible).items():
                sums[metric] = sums.get(metric, 0.0) + float(value) / 4
        assert {key: value[seed] for key, value in scores['ab'].items()} == pytest.approx(
            sums, rel=1e-3)  # a Y of exactly half a level is rounded either way
    thermals = [thermal for _, thermal, _ in frames_of(place / 'set')]
    assert scores['IR']['SD'] == pytest.approx([np.mean([image.std() for image in thermals])])


def test_seeds_are_printed_as_mean_and_deviation_and_one_seed_plain(place, found):
    sections = {(kind, data): table for kind, data, table, _ in tables_of(found)}
    table = sections['segmentation', 'set test']
    lines = {line[0]: dict(zip(table.header, line, strict=True)) for line in table.rows}
    one, other = (100 * seed['miou_present'] for seed in row(found, 'ab FUSED')['seeds'])
    spread = abs(one - other) / 2**0.5  # n-1 of two values
    assert lines['ab FUSED']['mIoU present'] == f'{(one + other) / 2:.1f} ± {spread:.1f}'
    assert (lines['ab FUSED']['seeds'], lines['cascade FUSED']['seeds']) == ('2', '1')
    (seed,) = row(found, 'cascade FUSED')['seeds']
    assert lines['cascade FUSED']['mIoU present'] == f'{100 * seed["miou_present"]:.1f}'
    fusion = {line[0]: line for line in sections['fusion', 'set test'].rows}
    assert '±' in fusion['ab'][2]
    assert '±' not in fusion['VIS'][2]


def test_a_group_is_its_members_evaluated_alone(place, found):
    alone = prepare(Request(
        [str(place / 'b.safetensors')], data=[dataset_config(str(place / 'set'), '--data')],
        flicker_frames=0,
    )).measure().results
    assert row(alone, 'b FUSED')['seeds'] == row(found, 'ab FUSED')['seeds'][1:]
    assert alone['fusion']['set test']['b']['VIF'] == found['fusion']['set test']['ab']['VIF'][1:]
    assert alone['data'] == found['data']


def test_reliability_adds_up_to_the_calibration_error(found):
    score = row(found, 'ab FUSED')['seeds'][0]
    bins = score['reliability']
    assert sum(item['share'] for item in bins) == pytest.approx(1)
    assert sum(item['share'] * item['accuracy'] for item in bins) == pytest.approx(
        score['accuracy'])
    assert sum(
        item['share'] * abs(item['accuracy'] - item['confidence']) for item in bins
    ) == pytest.approx(score['ece'])


def test_networks_have_the_rows_that_mean_something_for_them(tmp_path):
    write_pairs(tmp_path / 'set', 2)
    words = [str(write_weights(tmp_path / f'{name}.safetensors', network=name, preset='s'))
             for name in ('rt_rgb', 'rt_early')]
    words.append(str(write_weights(
        tmp_path / 'own.safetensors', network='multitaskvif', preset='rt', way='own')))
    config = dataset_config(str(tmp_path / 'set'), '--data')
    results = prepare(Request(words, data=[config], flicker_frames=0)).measure().results
    rows = conditions_in(results)
    assert {condition for system, condition in rows if system == 'rt_rgb'} == {'RGB_ONLY'}
    early = {condition for system, condition in rows if system == 'rt_early'}
    assert {'FUSED', 'FUSED, thermal shifted 8 px', 'told FUSED, rgb black'} < early
    assert 'RGB_ONLY' not in early
    assert not any(system == 'own' for system, _ in rows)
    assert list(results['fusion']['set test']) == ['VIS', 'IR', 'AVG', 'MAX', 'rt_early', 'own']


def conditions_in(results):
    return {(item['system'], item['condition']) for item in results['segmentation']['set test']}


def test_modes_only_leaves_out_disturbed_cameras_and_changes_no_other_row(tmp_path):
    write_pairs(tmp_path / 'set', 2)
    words = [str(write_weights(tmp_path / f'{name}.safetensors', network=name, preset='s'))
             for name in ('rt', 'rt_thermal')]
    config = dataset_config(str(tmp_path / 'set'), '--data')
    whole, short = (
        prepare(Request(words, data=[config], flicker_frames=0, modes_only=only)).measure().results
        for only in (False, True)
    )
    assert conditions_in(short) == {
        ('rt', 'FUSED'), ('rt', 'RGB_ONLY'), ('rt', 'THERMAL_ONLY'), ('rt_thermal', 'THERMAL_ONLY')
    }
    kept = [item for item in whole['segmentation']['set test']
            if (item['system'], item['condition']) in conditions_in(short)]
    assert short['segmentation']['set test'] == kept
    assert short['fusion'] == whole['fusion']


class Double:
    """A member that finds nothing, fuses to RGB, and remembers what it was shown."""

    inputs, masks, fuses, labels = 'both', True, True, MFNET

    def __init__(self):
        self.shown = []

    def run(self, rgb, thermal):
        self.shown.append((rgb, thermal))
        image = rgb if rgb is not None else np.repeat(thermal[..., None], 3, 2)
        flat = np.zeros(image.shape[:2], np.uint8)
        return EngineOutput(image, flat, flat + 255, np.zeros(0, np.float32))


def frame(name, day_night='day', level=0):
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    return EvaluationFrame(
        name, day_night, np.full((*truth.shape, 3), level, np.uint8), truth + level, truth
    )


def test_a_camera_never_freezes_over_from_day_to_night_or_another_size():
    double = Double()
    rows = SegmentationRows([System('x', (double,))], MFNET)
    small = EvaluationFrame('c', 'night', np.zeros((8, 8, 3), np.uint8),
                            *[np.zeros((8, 8), np.uint8)] * 2)
    before = None
    for one in (frame('a', level=7), frame('b', 'night', 9), small):
        rows.add(one, before)
        before = one
    names = [item.name for item in rows.rows()]
    assert not any('frozen' in name for name in names)
    assert 'x told FUSED, rgb black' in names
    rows.add(frame('d', 'night', 3), frame('e', 'night', 5))
    assert 'x told FUSED, rgb frozen' in [item.name for item in rows.rows()]
    assert (double.shown[-2][0][0, 0, 0], double.shown[-2][1][0, 0]) == (5, 3)
    assert (double.shown[-1][0][0, 0, 0], double.shown[-1][1][0, 0]) == (3, 5)


def test_frames_of_unknown_light_count_once():
    rows = SegmentationRows([System('x', (Double(),))], MFNET)
    rows.add(frame('a', ''), None)
    scores = {item.name: item.seeds[0].compute()['frames'] for item in rows.rows()}
    assert scores['x FUSED'] == 1
    assert 'x FUSED, day' not in scores


def test_flicker_of_a_copy_is_that_of_its_source():
    size, frames = (160, 120), 3
    seen = list(still_exposures(SEED, frames + 1, size, night=True))
    found = flicker([System('copy', (Double(),))], frames, size=size)
    assert found['copy'] == found['VIS']
    greys = [np.round(rgb @ [0.299, 0.587, 0.114]) for rgb, _, _ in seen]
    noise = np.mean([np.abs(greys[i + 1] - greys[i]).mean() for i in range(frames - 1)])
    assert found['VIS']['noise, night'] == pytest.approx([noise])
    heat = [thermal.astype(float) for _, thermal, _ in seen[-2:]]
    step = np.abs(np.clip(heat[1] * GAIN, 0, 255).round() - heat[0]).mean()
    assert found['IR']['gain step, night'] == pytest.approx([step])
    assert step > 3 * found['IR']['noise, night'][0]


def test_a_still_scene_changes_by_noise_only():
    first, second = still_exposures(3, 2, (160, 120))
    assert (first[2] == second[2]).all()
    for one, other in zip(first[:2], second[:2], strict=True):
        change = np.abs(one.astype(int) - other)
        assert 0 < change.mean() < 4


def test_each_check_finds_the_frame_that_shows_it():
    random = np.random.default_rng(0)

    def changed(name, light, **parts):
        one = frame(name, light, 60)
        images = {'rgb': one.rgb.copy(), 'thermal': one.thermal.copy(), 'mask': one.mask.copy()}
        for key, (cells, value) in parts.items():
            images[key][cells] = value
        return EvaluationFrame(name, light, **images)

    half = np.s_[:HEIGHT // 2]
    textured = random.integers(0, 256, (HEIGHT, WIDTH, 1)).repeat(3, 2)
    frames = [
        frame('plain', 'night', 60),
        changed('bright or dark by itself', '', rgb=(np.s_[:2], 255)),
        changed('person by day', 'day', mask=(half, 2)),
        changed('person', 'night', mask=(np.s_[:9], 2)),
        changed('warm lamp', 'night', rgb=(half, 255), thermal=(half, 200)),
        changed('railing', 'night', rgb=(np.s_[HEIGHT // 2:], 255)),
        changed('lamp', 'night', rgb=(np.s_[:5], 255)),
        changed('sky', 'day', rgb=(np.s_[:15], 200)),
        changed('cold and flat', 'day', thermal=(np.s_[:], 10)),
        changed('cold', 'day', thermal=(np.s_[:], 10), rgb=(np.s_[:], textured)),
    ]
    choice = Choice(MFNET)
    for place, one in enumerate(frames):
        choice.add(place, one)
    assert [frames[place].name for _, _, place in choice.places()] == [
        'person', 'lamp', 'sky', 'cold']
    assert Choice(None).places() == []


def test_pairs_without_labels_are_shown_with_masks(place, tmp_path):
    config = dataset_config(str(write_pairs(tmp_path / 'pairs', 2, labels=False)), '--data')
    found = prepare(Request([str(place / 'a.safetensors')], fusion_data=[config],
                             flicker_frames=0)).measure()
    assert found.labels == MFNET
    assert found.results['segmentation'] == {}
    assert 'Is the day sky clean?' in [scene.title for scene in found.scenes]
    assert all('truth' not in scene.images and 'mask' in scene.images for scene in found.scenes)


def test_best_median_and_worst_frame():
    miou = [0.4, None, 0.9, 0.1, 0.5, 0.3]
    assert [(title.split()[0], place) for title, _, place in ranked(miou)] == [
        ('Best', 2), ('Median', 0), ('Worst', 3)]
    assert ranked([None]) == []


def test_a_limit_spreads_over_the_data_set(place):
    config = dataset_config(str(place / 'set'), '--data')
    assert open_frames(config, limit=2, labelled=True).indices == [0, 3]
    assert open_frames(config, limit=9, labelled=True).indices == [0, 1, 2, 3]
    some = open_frames(config, limit=2, labelled=True)
    assert [item.name for item in some] == ['f0', 'f3']
    assert some.describe()['blake2b'] != open_frames(config, labelled=True).describe()['blake2b']


def test_data_is_named_as_in_a_recipe(place):
    text = f'{{name: folder, root: {place / "set"}, split: val}}'
    assert dataset_config(text, '--data').split == 'val'
    assert dataset_config(str(place), '--data', 'train').split == 'train'
    rendered = dataset_config('{name: sim, split: 0-1}', '--data')
    assert len(open_frames(rendered, labelled=True)) == 2


def test_systems_are_named_by_file_folder_or_word(place, tmp_path):
    a, b = (str(place / f'{name}.safetensors') for name in 'ab')
    for name in ('a.safetensors', 'a.json'):
        (tmp_path / f'best-0000003.{name[2:]}').write_bytes((place / name).read_bytes())
    systems = load_systems([str(tmp_path), f'two={b}', 'rt-s'])
    assert [(item.name, len(item.members)) for item in systems] == [
        (tmp_path.name, 1), ('two', 1), ('rt-s', 1)]
    (grouped,) = load_systems([f'rt={a},{b}'])
    assert grouped.describe()['seeds'][1][0]['file'] == b
    odd = tmp_path / 'x=1,2.safetensors'
    for path in (odd, odd.with_suffix('.json')):
        path.write_bytes((place / f'a{path.suffix}').read_bytes())
    assert [item.name for item in load_systems([str(odd)])] == ['x=1,2']
