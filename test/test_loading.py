"""Order of the samples, worker processes, the cache of decoded images."""

import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_datasets import write_folders

from vif_perception.errors import InputError
from vif_perception.training.augmentation import Augmentation, AugmentationConfig
from vif_perception.training.data import pixels_of
from vif_perception.training.datasets import Cache, open_dataset
from vif_perception.training.loading import Loader, LoaderConfig
from vif_perception.training.order import Order

PLAIN = Augmentation(AugmentationConfig.only())


def folder(root, count=6, **entry):
    names = [f'{index:02d}' for index in range(count)]
    write_folders(root, names, thermal='ir', rgb='vi', mask='label')
    return open_dataset({'name': 'folder', 'root': root, 'split': 'all', 'labels': 'mfnet',
                         **entry})


def loader(datasets, augmentation=PLAIN, batch=4, workers=0, cache=None, **options) -> Loader:
    config = LoaderConfig(batch=batch, workers=workers, cache=cache)
    return Loader(datasets, augmentation, config, **options)


def names(order: Order, start: int, stop: int) -> list[tuple[int, int]]:
    return [(place.dataset, place.item) for step in order.steps(start, stop) for place in step]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))
def test_every_epoch_shows_everything_once(length, batch, seed):
    order = Order([length], [1.0], batch=batch, seed=seed)
    shown = names(order, 0, -(-3 * length // batch))
    for epoch in range(3):
        part = shown[epoch * length:(epoch + 1) * length]
        assert sorted(part) == [(0, item) for item in range(length)]
    assert order.steps_per_epoch == length / batch


@given(st.lists(st.tuples(st.integers(1, 12), st.floats(0.1, 3)), min_size=1, max_size=3),
       st.integers(0, 30), st.integers(1, 5))
def test_a_run_taken_up_shows_what_it_would_have_shown(sets, start, batch):
    lengths, shares = zip(*sets, strict=True)
    whole = list(Order(lengths, shares, batch=batch, seed=3).steps(0, start + 5))
    taken_up = list(Order(lengths, shares, batch=batch, seed=3).steps(start, start + 5))
    assert whole[start:] == taken_up


def test_processes_share_each_step():
    whole = Order([50], [1.0], batch=6, seed=1)
    parts = [Order([50], [1.0], batch=2, seed=1, rank=rank, world=3) for rank in range(3)]
    for step in range(20):
        assert whole.step(step) == [place for part in parts for place in part.step(step)]
    assert parts[0].steps_per_epoch == whole.steps_per_epoch


def test_shares_say_how_often_samples_are_shown():
    order = Order([10, 4, 8], [1.0, 3.0, 0.5], batch=26, seed=0)
    for step in range(4):
        shown = names(order, step, step + 1)
        assert sorted(item for part, item in shown if part == 0) == list(range(10))
        assert sorted(item for part, item in shown if part == 1) == sorted([0, 1, 2, 3] * 3)
        assert sum(part == 2 for part, _ in shown) == 4
    halves = {item for part, item in names(order, 0, 2) if part == 2}
    assert halves == set(range(8)), 'a data set shown in parts goes on where it stopped'


def test_seeds_never_repeat_and_depend_on_the_run():
    places = [place for step in Order([5], [1.0], batch=4, seed=2).steps(0, 50) for place in step]
    assert len({place.seed for place in places}) == len(places)
    assert names(Order([50], [1.0], batch=50, seed=1), 0, 1) != names(
        Order([50], [1.0], batch=50, seed=2), 0, 1)


def test_batches_are_what_a_network_takes(tmp_path):
    batch = next(loader([folder(tmp_path)]).batches(0, 1))
    assert batch.rgb.shape == (4, 3, 8, 12)
    assert batch.thermal.shape == (4, 1, 8, 12)
    assert (batch.rgb.dtype, batch.mask.dtype) == (torch.float32, torch.int64)
    assert batch.rgb.max() <= 1
    assert batch.present.tolist() == [[1, 1]] * 4
    assert len(batch.names) == 4


def test_workers_change_nothing_but_the_speed(tmp_path):
    dataset = folder(tmp_path)
    alone = list(loader([dataset]).batches(0, 5))
    helped = list(loader([dataset], workers=2).batches(0, 5))
    taken_up = list(loader([dataset], workers=1).batches(3, 5))
    assert len(alone) == len(helped) == 5
    for one, two in zip(alone + alone[3:], helped + taken_up, strict=True):
        assert one.names == two.names
        torch.testing.assert_close(one.rgb, two.rgb, rtol=0, atol=0)
        torch.testing.assert_close(one.mask, two.mask, rtol=0, atol=0)


@pytest.mark.parametrize('workers', [0, 1])
def test_bad_samples_are_told_in_one_line(tmp_path, workers):
    dataset = folder(tmp_path)
    (tmp_path / 'ir' / '03.png').write_bytes(b'broken')
    with pytest.raises(InputError, match=r'03\.png: cannot be read') as caught:
        list(loader([dataset], workers=workers).batches(0, 2))
    assert 'Traceback' not in str(caught.value)


def test_sizes_that_differ_need_a_crop(tmp_path):
    dataset = folder(tmp_path)
    for kind, shape in (('ir', (9, 9)), ('vi', (9, 9, 3)), ('label', (9, 9))):
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / kind / '00.png')
    with pytest.raises(InputError, match=r'differ in size: 12x8, 9x9; .*crop'):
        list(loader([dataset], batch=6).batches(0, 1))


def test_nothing_to_show_and_classes_that_differ(tmp_path):
    with pytest.raises(InputError, match='without samples'):
        loader([])
    one, two = folder(tmp_path / 'a'), folder(tmp_path / 'b', labels='fmb')
    with pytest.raises(InputError, match='different class lists'):
        loader([one, two])


def test_the_cache_gives_the_same_and_reads_nothing_twice(tmp_path, monkeypatch):
    dataset, cache = folder(tmp_path / 'data'), tmp_path / 'cache'
    plain, first = (
        next(loader([dataset], batch=6, cache=folder_).batches(0, 1)) for folder_ in (None, cache)
    )
    reads = []
    monkeypatch.setattr(type(dataset), '__getitem__', lambda self, index: reads.append(index))
    second = next(loader([dataset], batch=6, cache=cache).batches(0, 1))
    assert reads == []
    for batch in (first, second):
        assert batch.names == plain.names
        torch.testing.assert_close(batch.rgb, plain.rgb, rtol=0, atol=0)
        torch.testing.assert_close(batch.mask, plain.mask, rtol=0, atol=0)


def test_the_cache_sees_changed_images_and_survives_damage(tmp_path):
    dataset, cache = folder(tmp_path / 'data', count=1), Cache(tmp_path / 'cache')
    cache.read(dataset, 0)
    for file in (tmp_path / 'cache').glob('*.npy'):
        for damage in (b'', b'half', file.read_bytes()[:-5]):
            file.write_bytes(damage)
            sample = cache.read(dataset, 0)
            for name in ('rgb', 'thermal', 'mask'):
                np.testing.assert_array_equal(getattr(sample, name), getattr(dataset[0], name))
    path = tmp_path / 'data' / 'ir' / '00.png'
    Image.fromarray(np.full((8, 12), 9, np.uint8)).save(path)
    os.utime(path, ns=(1, 1))
    assert (cache.read(dataset, 0).thermal == 9).all()


def test_the_cache_keeps_what_is_not_there(tmp_path):
    write_folders(tmp_path / 'data', ['a'], raw='ir')
    dataset = open_dataset({'name': 'folder', 'root': tmp_path / 'data', 'split': 'all'})
    for _ in range(2):
        sample = Cache(tmp_path / 'cache').read(dataset, 0)
        assert sample.rgb is None
        assert sample.mask is None
        assert sample.thermal.dtype == np.uint16


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match='cannot be written'):
        Cache(tmp_path / 'file' / 'cache').read(folder(tmp_path / 'data'), 0)


def test_simulated_scenes_are_a_data_set(tmp_path):
    dataset = open_dataset({'name': 'sim', 'split': '7-8'})
    cache = Cache(tmp_path)
    first, again = cache.read(dataset, 0), cache.read(dataset, 0)
    np.testing.assert_array_equal(first.rgb, again.rgb)
    assert [record.id for record in dataset.records] == ['sim7', 'sim8']
    assert first.mask.shape == first.thermal.shape
    for split in ('train', '8-7', '-1'):
        with pytest.raises(InputError, match='first and last seed'):
            open_dataset({'name': 'sim', 'split': split})


def test_pixels_of_a_data_set(tmp_path):
    dataset = folder(tmp_path, count=3)
    masks = np.stack([dataset[index].mask for index in range(3)])
    assert pixels_of(dataset).tolist() == np.bincount(masks.ravel(), minlength=9).tolist()
    write_folders(tmp_path / 'bare', ['a'], thermal='ir')
    with pytest.raises(InputError, match='no masks'):
        pixels_of(open_dataset({'name': 'folder', 'root': tmp_path / 'bare', 'split': 'all'}))
