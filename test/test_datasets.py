"""Data sets of pairs: every layout that authors ship, made small; and everything wrong on disk."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from patience import given
from PIL import Image
from pydantic import ValidationError

from vif_perception.errors import InputError
from vif_perception.labels import FMB, LABEL_SETS, MFNET, PST900
from vif_perception.training.datasets import (
    LAYOUTS,
    DatasetConfig,
    check_classes,
    check_overlap,
    check_samples,
    open_dataset,
)
from vif_perception.training.datasets.rare import repeat_rare, repeats

SHARED = Path(__file__).resolve().parents[2] / 'shared' / 'data'
WIDTH, HEIGHT = 12, 8


def image(kind: str, seed: int) -> np.ndarray:
    """A small picture: 'rgb', 'thermal', 'raw' (16 bit), 'mask' or 'both' (four channels)."""
    rng = np.random.default_rng((seed, len(kind)))
    if kind == 'mask':
        return rng.integers(0, 5, (HEIGHT, WIDTH), np.uint8)
    if kind == 'raw':
        return rng.integers(18_000, 19_000, (HEIGHT, WIDTH)).astype(np.uint16)
    channels = {'rgb': (3,), 'both': (4,), 'thermal': ()}[kind]
    return rng.integers(0, 256, (HEIGHT, WIDTH, *channels), np.uint8)


def write(path: Path, kind: str, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image(kind, seed)).save(path)


def write_folders(root: Path, names: list[str], suffix: str = 'png', **folders: str) -> None:
    """Write images of equal names into {kind: folder}."""
    for seed, name in enumerate(names):
        for kind, folder in folders.items():
            write(root / folder / f'{name}.{suffix}', kind, seed)


def write_voc(path: Path, *rows: tuple) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = ''.join(
        f'<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>'
        f'<ymax>{d}</ymax></bndbox></object>' for name, a, b, c, d in rows
    )
    path.write_text(f'<annotation>{objects}</annotation>')


def mfnet(root: Path) -> None:
    for seed, name in enumerate(['00001D', '00002N', '00001D_flip']):
        write(root / 'images' / f'{name}.png', 'both', seed)
        write(root / 'labels' / f'{name}.png', 'mask', seed)
    (root / 'train.txt').write_text('00001D\n00001D_flip\n')
    (root / 'test.txt').write_text('00002N\n')


def halves(**folders: str):
    """Write train and test folders of published sets."""
    def make(root: Path) -> None:
        for split in ('train', 'test'):
            names = [f'{split}{index}' for index in range(3)]
            write_folders(root / split, names, **folders)
    return make


def m3fd(root: Path) -> None:
    write_folders(root, ['00000', '00001'], thermal='Ir', rgb='Vis')
    for name in ('00000', '00001'):
        write_voc(root / 'Annotation' / f'{name}.xml', ('People', 1, 2, 5, 6), ('Car', 0, 0, 3, 3))


def llvip(root: Path) -> None:
    for split, name in (('train', '010001'), ('test', '190001')):
        write_folders(root, [name], 'png', thermal=f'infrared/{split}', rgb=f'visible/{split}')
        write_voc(root / 'Annotations' / f'{name}.xml', ('person', 1, 1, 4, 7))


def tno(root: Path) -> None:
    write(root / 'Athena_images/helicopter/IR_meting003_g.bmp', 'thermal', 0)
    write(root / 'Athena_images/helicopter/VIS_meting003_r.bmp', 'thermal', 1)
    for number in (1, 2):
        write(root / f'FEL_images/Nato/thermal/180{number}i.bmp', 'thermal', number)
        write(root / f'FEL_images/Nato/visual/180{number}v.bmp', 'thermal', number + 9)
        write(root / f'DHV_images/Fire/part_1/thermal/RAD{number}.bmp', 'thermal', number)
        write(root / f'DHV_images/Fire/part_1/dhv/DHV{number}.bmp', 'thermal', number + 9)
    write(root / 'tank/LWIR.tif', 'thermal', 3)
    write(root / 'tank/Vis.tif', 'thermal', 4)
    write(root / 'Triclobs_images/Bosnia/IR.bmp', 'thermal', 5)
    write(root / 'Triclobs_images/Bosnia/NIR.bmp', 'thermal', 6)
    write(root / 'Triclobs_images/Bosnia/Vis.bmp', 'rgb', 7)


MAKERS = {
    'mfnet': mfnet,
    'msrs': halves(thermal='ir', rgb='vi', mask='Segmentation_labels'),
    'fmb': halves(thermal='Infrared', rgb='Visible', mask='Label'),
    'pst900': halves(thermal='thermal', rgb='rgb', mask='labels'),
    'pst900_raw': halves(raw='thermal_raw', thermal='thermal', rgb='rgb', mask='labels'),
    'm3fd': m3fd,
    'llvip': llvip,
    'roadscene': lambda root: write_folders(
        root, ['FLIR_1', 'FLIR_2'], thermal='cropinfrared', rgb='crop_LR_visible'),
    'tno': tno,
    'folder': lambda root: write_folders(root, ['1', '2'], thermal='ir', rgb='vi'),
}
#: name -> split, number of samples, whether there are masks.
EXPECTED = {
    'mfnet': ('train', 1, True), 'msrs': ('test', 3, True), 'fmb': ('train', 3, True),
    'pst900': ('test', 3, True), 'pst900_raw': ('train', 3, True), 'm3fd': ('all', 2, False),
    'llvip': ('test', 1, False), 'roadscene': ('all', 2, False), 'tno': ('all', 7, False),
    'folder': ('all', 2, False),
}


@pytest.mark.parametrize('name', LAYOUTS)
def test_every_layout_is_read(name, tmp_path):
    MAKERS[name](tmp_path)
    split, count, labelled = EXPECTED[name]
    dataset = open_dataset({'name': name, 'root': tmp_path, 'split': split})
    assert len(dataset) == count
    check_samples(dataset)
    for sample in dataset:
        assert sample.rgb is not None
        assert (sample.rgb.shape, sample.rgb.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
        assert sample.thermal.shape == (HEIGHT, WIDTH)
        assert sample.thermal.dtype == (np.uint16 if name == 'pst900_raw' else np.uint8)
        assert (sample.mask is not None) == labelled
    assert (dataset.labels is not None) == labelled


def test_the_right_pixels_reach_the_right_place(tmp_path):
    mfnet(tmp_path)
    sample = open_dataset({'name': 'mfnet', 'root': tmp_path, 'split': 'test'})[0]
    both = image('both', 1)
    np.testing.assert_array_equal(sample.rgb, both[..., :3])
    np.testing.assert_array_equal(sample.thermal, both[..., 3])
    np.testing.assert_array_equal(sample.mask, image('mask', 1))
    assert (sample.id, sample.day_night) == ('00002N', 'night')


def test_tno_pairs_what_belongs_together(tmp_path):
    tno(tmp_path)
    records = open_dataset({'name': 'tno', 'root': tmp_path, 'split': 'all'}).records
    pairs = {(record.thermal.name, record.rgb.name) for record in records}
    assert pairs == {
        ('IR_meting003_g.bmp', 'VIS_meting003_r.bmp'), ('1801i.bmp', '1801v.bmp'),
        ('1802i.bmp', '1802v.bmp'), ('RAD1.bmp', 'DHV1.bmp'), ('RAD2.bmp', 'DHV2.bmp'),
        ('LWIR.tif', 'Vis.tif'), ('IR.bmp', 'Vis.bmp'),
    }


def test_boxes_of_voc_files(tmp_path):
    m3fd(tmp_path)
    dataset = open_dataset({'name': 'm3fd', 'root': tmp_path, 'split': 'all'})
    boxes = dataset[0].boxes
    assert [dataset.box_classes[i] for i in boxes.classes] == ['People', 'Car']
    assert boxes.corners.tolist() == [[1, 2, 5, 6], [0, 0, 3, 3]]


@pytest.mark.parametrize('text, words', [
    ('<annotation><object>', 'cannot be read'),
    ('<!DOCTYPE a [<!ENTITY x "y">]><annotation/>', 'defines entities'),
    ('<annotation><object><name>Ufo</name></object></annotation>', "class 'Ufo'"),
    ('<annotation><object><name>Car</name></object></annotation>', 'corners'),
])
def test_voc_files_that_cannot_be_used(text, words, tmp_path):
    m3fd(tmp_path)
    (tmp_path / 'Annotation' / '00001.xml').write_text(text)
    with pytest.raises(InputError, match=rf'00001\.xml.*{words}'):
        check_samples(open_dataset({'name': 'm3fd', 'root': tmp_path, 'split': 'all'}))


def test_parts_of_a_split_are_whole_runs_and_complete(tmp_path):
    names = [f'{index:03d}' for index in range(60)]
    write_folders(tmp_path, names, thermal='ir')
    ids = {
        split: [record.id for record in open_dataset(
            {'name': 'folder', 'root': tmp_path, 'split': split}).records]
        for split in ('all', 'train90', 'val10')
    }
    assert ids['val10'] == ['027', '028', '029', '057', '058', '059']
    assert sorted(ids['train90'] + ids['val10']) == ids['all'] == names


def test_label_sets():
    assert [len(MFNET), len(FMB), len(PST900)] == [9, 15, 5]
    for labels in LABEL_SETS.values():
        assert len(set(labels.colors)) == len(set(labels.names)) == len(labels)


def test_a_plain_folder_per_split_with_its_own_classes(tmp_path):
    write_folders(tmp_path / 'mine', ['a'], raw='thermal', mask='masks')
    classes = {str(i): {'name': f'c{i}', 'rgb': [i, 0, 0]} for i in range(5)}
    (tmp_path / 'classes.json').write_text(json.dumps(classes))
    (tmp_path / 'boxes.json').write_text('{"boxes": {"a": [["dog", 1, 2, 3, 4]]}}')
    dataset = open_dataset({'name': 'folder', 'root': tmp_path, 'split': 'mine'})
    sample = dataset[0]
    assert sample.rgb is None
    assert sample.thermal.dtype == np.uint16
    assert dataset.labels.names == ('c0', 'c1', 'c2', 'c3', 'c4')
    assert dataset.box_classes == ('dog',)
    assert sample.boxes.corners.tolist() == [[1, 2, 3, 4]]
    with pytest.raises(InputError, match="no split 'other'; accepted: mine"):
        open_dataset({'name': 'folder', 'root': tmp_path, 'split': 'other'})


@pytest.mark.parametrize('name, text, words', [
    ('index.csv', '', 'is empty'),
    ('index.csv', 'id,split\n1,train\n', 'no column ir'),
    ('index.csv', 'id,ir,split\n1,x.png,test\n', "no rows of split 'train'; accepted: test"),
    ('index.csv', 'id,ir,split\n,x.png,train\n', 'has no id or no ir'),
    ('index.csv', 'id,ir,split\n1,x.png,train\n1,y.png,train\n', "id '1' is there twice"),
    ('classes.json', '[]', 'is a list'),
    ('classes.json', '{"1": {"name": "a", "rgb": [0, 0, 0]}}', 'no class list'),
    ('classes.json', '{}', r'classes\.json: is no class list: id 0 is missing'),
    ('classes.json', '{"0": 3}', r'classes\.json, id 0: is 3; accepted: \{"name"'),
    *[('classes.json', json.dumps({'0': {'name': 'a', 'rgb': [0, 0, 0]}, '1': entry}), words)
      for entry, words in (
        ({'name': 'b', 'rgb': [0, 300, 0]}, r'classes\.json, id 1: rgb is \[0, 300, 0\]'),
        ({'name': 'b', 'rgb': [0, -1, 0]}, 'id 1: rgb is .* three whole numbers'),
        ({'name': 'b', 'rgb': [0, 1]}, r'id 1: rgb is \[0, 1\]'),
        ({'name': 'b', 'rgb': [0, 1, True]}, 'id 1: rgb is'),
        ({'name': 'b'}, 'id 1: rgb is None'),
        ({'name': '', 'rgb': [0, 1, 0]}, "id 1: name is ''"),
        ({'name': 3, 'rgb': [0, 1, 0]}, 'id 1: name is 3'),
        ({'name': 'A', 'rgb': [0, 1, 0]}, "id 1: name 'A' is there twice"),
    )],
    ('index.csv', 'id,ir,split\n1,x.png,train\n2,y.png\n', r'csv, line 3: row has 2 cells'),
    ('index.csv', 'id,ir,split\n1,x,y.png,train\n', r'csv, line 2: row has 4 cells; acc.*: 3'),
    ('index.csv', 'id,ir,split,day_night\n1,x.png,train,dusk\n', "line 2: day_night is 'dusk'"),
    ('classes.json', '{"0": {"name": "a"}, "0": {"name": "b"}}', "read .'0' is there twice"),
    ('boxes.json', '{"boxes": {"a": 3}}', 'holds no boxes'),
    ('boxes.json', 'no', 'cannot be read'),
])
def test_descriptions_that_cannot_be_used(name, text, words, tmp_path):
    write_folders(tmp_path, ['a'], thermal='train/ir')
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words):
        open_dataset({'name': 'folder', 'root': tmp_path, 'split': 'train'})


def test_an_index_in_another_encoding_is_refused_in_one_line(tmp_path):
    write_folders(tmp_path, ['a'], thermal='ir')
    rows = [f'{number},ir/a.png' for number in range(100)]
    (tmp_path / 'index.csv').write_bytes('\n'.join(['id,ir', *rows, 'é,x']).encode('latin-1'))
    with pytest.raises(InputError, match=r'index\.csv: cannot be read.*accepted: .*UTF-8') as bad:
        open_dataset({'name': 'folder', 'root': tmp_path, 'split': 'all'})
    assert len(str(bad.value)) < 300


def test_files_that_excel_wrote_are_read(tmp_path):
    write_folders(tmp_path, ['a'], thermal='ir')
    for name, text in (('index.csv', 'id,ir\r\n1,ir/a.png\r\n'),
                       ('classes.json', '{"0": {"name": "a", "rgb": [0, 0, 0]}}')):
        (tmp_path / name).write_text(text, encoding='utf-8-sig')
    dataset = open_dataset({'name': 'folder', 'root': tmp_path, 'split': 'all'})
    assert (dataset[0].id, dataset.labels.names) == ('1', ('a',))


def test_masks_need_a_class_list(tmp_path):
    write_folders(tmp_path, ['a'], thermal='ir', mask='label')
    entry = {'name': 'folder', 'root': tmp_path, 'split': 'all'}
    with pytest.raises(InputError, match=r'no class list; .*: write .*s\.json: \{"0"') as bad:
        open_dataset(entry)
    assert 'labels' not in str(bad.value)  # an option of recipes only
    with pytest.raises(InputError, match="class list 'coco'; accepted: mfnet"):
        open_dataset({**entry, 'labels': 'coco'})
    assert open_dataset({**entry, 'labels': 'pst900'}).labels is PST900


def test_data_sets_of_different_classes_are_told_apart(tmp_path):
    def of(*names: str):
        root = tmp_path / names[-1]
        write_folders(root, ['a'], thermal='ir')
        (root / 'classes.json').write_text(json.dumps(
            {str(i): {'name': name, 'rgb': [i, 0, 0]} for i, name in enumerate(names)}))
        return open_dataset({'name': 'folder', 'root': root, 'split': 'all'})

    bare = tmp_path / 'bare'
    write_folders(bare, ['a'], thermal='ir')
    anything = open_dataset({'name': 'folder', 'root': bare, 'split': 'all'})
    check_classes([of('x', 'car'), anything, of('x', 'car')])
    said = r"id 1 is 'car' \[1, 0, 0\] in folder all \(.*car\), 'van' .* in folder all \(.*van\)"
    with pytest.raises(InputError, match=said):
        check_classes([anything, of('x', 'car'), of('x', 'van')])
    with pytest.raises(InputError, match=r"id 2 is no class in .*, 'bus'"):
        check_classes([of('x', 'car'), of('x', 'car', 'bus')])


def msrs(root: Path) -> dict:
    MAKERS['msrs'](root)
    return {'name': 'msrs', 'root': root, 'split': 'train'}


def test_files_that_cannot_be_used_are_named(tmp_path):
    entry = msrs(tmp_path)
    vi, ir = tmp_path / 'train' / 'vi', tmp_path / 'train' / 'ir'
    label = tmp_path / 'train' / 'Segmentation_labels'
    (ir / 'train1.png').write_bytes(b'no image')
    with pytest.raises(InputError, match=r'train1\.png: cannot be read.*whole image.*copy'):
        check_samples(open_dataset(entry))
    (vi / 'train2.png').write_bytes((vi / 'train2.png').read_bytes()[:60])
    with pytest.raises(InputError, match=r'train1\.png: .* and 1 more samples cannot be used'):
        check_samples(open_dataset(entry))
    msrs(tmp_path)
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(label / 'train0.png')
    with pytest.raises(InputError, match=r'train0\.png: sizes differ: mask is 3x3, thermal 12x8'):
        check_samples(open_dataset(entry))
    Image.fromarray(np.full((HEIGHT, WIDTH), 77, np.uint8)).save(label / 'train0.png')
    with pytest.raises(InputError, match=r'train0\.png: holds id 77; accepted: 0\.\.8 and 255'):
        check_samples(open_dataset(entry))
    Image.fromarray(image('rgb', 0)).save(label / 'train0.png')
    with pytest.raises(InputError, match=r'train0\.png: mask has mode RGB'):
        check_samples(open_dataset(entry))
    dataset = open_dataset(entry)
    (label / 'train0.png').unlink()
    with pytest.raises(InputError, match=r'train0\.png: is missing'):
        check_samples(dataset)
    with pytest.raises(InputError, match=r"Segmentation_labels: has no image 'train0'"):
        open_dataset(entry)


def test_thermal_images_must_be_grey_and_rgb_8_bit(tmp_path):
    entry = msrs(tmp_path)
    Image.fromarray(image('rgb', 0)).save(tmp_path / 'train' / 'ir' / 'train0.png')
    with pytest.raises(InputError, match=r'train0\.png: thermal image is coloured'):
        check_samples(open_dataset(entry))
    msrs(tmp_path)
    Image.fromarray(image('raw', 0)).save(tmp_path / 'train' / 'vi' / 'train0.png')
    with pytest.raises(InputError, match=r'train0\.png: has mode I;?1?6?; .*is this the thermal'):
        check_samples(open_dataset(entry))
    mfnet(tmp_path)
    Image.fromarray(image('rgb', 0)).save(tmp_path / 'images' / '00001D.png')
    with pytest.raises(InputError, match=r'00001D\.png: has mode RGB.*four channels'):
        check_samples(open_dataset({'name': 'mfnet', 'root': tmp_path}))


def test_float_images_must_hold_numbers_that_8_bit_can_hold(tmp_path):
    (tmp_path / 'ir').mkdir()
    entry = {'name': 'folder', 'root': tmp_path, 'split': 'all'}

    def read(*values: float) -> np.ndarray:
        Image.fromarray(np.array([values], np.float32)).save(tmp_path / 'ir' / 'a.tif')
        return open_dataset(entry)[0].thermal

    np.testing.assert_array_equal(read(np.nan, 20, 255), [[0, 20, 255]])
    with pytest.raises(InputError, match=r'a\.tif: holds no number'):
        read(np.nan, np.nan)
    with pytest.raises(InputError, match=r'a\.tif: holds float values 290\.5\.\.301; .*kelvin'):
        read(np.nan, 290.5, 301)


def test_one_name_with_two_suffixes_is_ambiguous(tmp_path):
    entry = msrs(tmp_path)
    write(tmp_path / 'train' / 'ir' / 'train0.bmp', 'thermal', 0)
    with pytest.raises(InputError, match=r'train0\.bmp and train0\.png have one name'):
        open_dataset(entry)


def test_wrong_roots_and_splits(tmp_path):
    for name in LAYOUTS:
        split = EXPECTED[name][0]
        with pytest.raises(InputError):
            open_dataset({'name': name, 'root': tmp_path / 'absent', 'split': split})
    entry = msrs(tmp_path)
    with pytest.raises(InputError, match='accepted: train, train90, val10, test'):
        open_dataset({**entry, 'split': 'val'})
    mfnet(tmp_path)
    with pytest.raises(InputError, match=r'no list val\.txt; accepted: test, train'):
        open_dataset({'name': 'mfnet', 'root': tmp_path, 'split': 'val'})
    with pytest.raises(InputError, match="split 'train90' of folder is empty"):
        (tmp_path / 'empty' / 'ir').mkdir(parents=True)
        open_dataset({'name': 'folder', 'root': tmp_path / 'empty', 'split': 'train90'})


@pytest.mark.parametrize('entry, words', [
    ({'name': 'coco', 'root': '.'}, "unknown data set 'coco'.*read as `folder`"),
    ({'root': '.'}, 'dataset: name: '),
    ({'name': 'msrs', 'root': '.', 'spilt': 'x'}, "unknown key 'spilt'.*did you mean 'split'"),
    ({'name': 'msrs', 'root': '.', 'share': 0}, 'dataset: share: '),
    ({'name': 'sim', 'split': '0-3', 'repeat_rare': 0.5}, 'repeat_rare for rendered scenes'),
])
def test_entries_of_a_recipe_that_cannot_be_used(entry, words):
    with pytest.raises(InputError, match=words):
        open_dataset(entry)


@given(st.integers(1, 12).flatmap(
    lambda count: hnp.arrays(bool, st.tuples(st.just(count), st.integers(1, 6)))
), st.floats(0, 1))
def test_rare_classes_are_repeated_by_the_root_of_their_rarity(holds, threshold):
    for row, found in zip(holds, repeats(holds, threshold), strict=True):
        parts = [holds[:, c].mean() for c in np.flatnonzero(row)]
        assert found == round(max([1.0, *((threshold / part) ** 0.5 for part in parts)]))


def test_images_with_rare_classes_are_listed_more_often(tmp_path):
    MAKERS['msrs'](tmp_path)
    entry = {'name': 'msrs', 'root': tmp_path, 'split': 'train'}
    paths = [record.mask for record in open_dataset(entry).records]
    for path, ids in zip(paths, ([0, 1], [0, 1], [0, 8]), strict=True):
        image = np.zeros_like(np.asarray(Image.open(path)))
        image.flat[:2] = ids
        Image.fromarray(image).save(path)
    more = open_dataset({**entry, 'repeat_rare': 1.0})
    assert [record.mask for record in more.records] == [*paths, paths[2]]
    assert more[3].id == more[2].id
    partly = open_dataset(entry)
    first, *others = partly.records
    partly.records = (replace(first, mask=None), *others)
    # class 8 is in one of two masks, not in one of three images: sqrt(2) is rounded to once
    assert repeat_rare(partly, 1.0).records == partly.records
    MAKERS['roadscene'](tmp_path / 'pairs')
    with pytest.raises(InputError, match='repeat_rare without masks'):
        open_dataset({'name': 'roadscene', 'root': tmp_path / 'pairs', 'split': 'all',
                      'repeat_rare': 0.5})


def test_the_entry_is_a_model_that_recipes_nest():
    entry = DatasetConfig(name='msrs', root='data')
    assert (entry.split, entry.share) == ('train', 1.0)
    with pytest.raises(ValidationError):
        entry.split = 'test'


def test_an_image_in_two_splits_is_found_whatever_its_name(tmp_path):
    entry = msrs(tmp_path)
    for index in range(3):
        write(tmp_path / 'test' / 'ir' / f'test{index}.png', 'thermal', 100 + index)
        write(tmp_path / 'test' / 'vi' / f'test{index}.png', 'rgb', 100 + index)
    train, test = (open_dataset({**entry, 'split': split}) for split in ('train', 'test'))
    check_overlap(train, test)
    copied = (tmp_path / 'train' / 'vi' / 'train1.png').read_bytes()
    (tmp_path / 'test' / 'vi' / 'test2.png').write_bytes(copied)
    with pytest.raises(InputError, match=r"test2\.png: is the same image as .*train1\.png"):
        check_overlap(train, test)


@pytest.mark.parametrize('folder, split, count', [
    ('msrs361', 'val', 28), ('msrs_thermal', 'all', 1083), ('llvip', 'all', 32),
    ('roadscene', 'test', 50), ('raw16', 'all', 24),
])
def test_shared_data(folder, split, count):
    if not SHARED.is_dir():
        pytest.skip('NO ../shared/data: the readers saw made-up archives only')
    dataset = open_dataset({'name': 'folder', 'root': SHARED / folder, 'split': split})
    assert len(dataset) == count
    sample = dataset[count // 2]
    assert (sample.rgb is None) == (folder == 'msrs_thermal') == (sample.boxes is not None)
    assert (sample.thermal.dtype == np.uint16) == (folder == 'raw16')
    assert (sample.mask is not None) == (folder == 'msrs361')
