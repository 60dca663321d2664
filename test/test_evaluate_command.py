"""``vif-perception evaluate`` from words to files, and one line for each mistake."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, find_chromium
from evaluation_data import HEIGHT, WIDTH, write_pairs, write_weights
from full_disk import files_of_at_most
from PIL import Image
from test_cli import call, refused

from vif_perception.metrics.table import Table
from vif_perception.report.evaluation import PAGE, RESULTS, TABLES
from vif_perception.report.evaluation_page import page

QUICK = ('--flicker-frames', 0)
HOSTILE = '<script>alert(1)</script>"\'&{{7*7}}'


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with labelled data, pairs, and weights."""
    folder = tmp_path_factory.mktemp('command')
    write_pairs(folder / 'set')
    write_pairs(folder / 'pairs', 2, labels=False, seed=1)
    for name, seed in (('a', 1), ('b', 2)):
        write_weights(folder / f'{name}.safetensors', seed)
    return folder


@pytest.fixture(scope='module')
def done(place):
    """The folder of an evaluation of two seeds."""
    out = place / 'new' / 'out'
    result = call(
        'evaluate', f'ab={place / "a.safetensors"},{place / "b.safetensors"}', '--data',
        place / 'set', '--fusion-data', place / 'pairs', '--out', out, *QUICK,
    )
    assert result.exit_code == 0, result.output
    (out / 'printed').write_text(result.output)
    return out


def test_everything_is_in_the_folder(done, place):
    results = json.loads((done / RESULTS).read_text())
    assert (results['status'], results['error']) == ('ok', None)
    assert [data['title'] for data in results['data']] == ['set test', 'pairs test']
    assert all(re.fullmatch('[0-9a-f]{32}', data['blake2b']) for data in results['data'])
    card = json.loads((place / 'a.json').read_text())
    assert results['systems'][0]['seeds'][0][0]['sha256'] == card['sha256']
    assert set(results['fusion']) == {'set test', 'pairs test'}
    assert 'torch' in results['versions']
    assert results['command']
    text = (done / TABLES).read_text()
    assert text.count('| ab FUSED, night | 2 | 2 |') == 1
    assert text.count('| MAX |') == 2
    printed = (done / 'printed').read_text()
    assert 'ab FUSED' in printed
    assert 'results.html' in printed


def test_the_page_has_everything_and_asks_for_nothing(done):
    text = (done / PAGE).read_text()
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert '<script' not in text
    for word in ('night pedestrian', 'Worst frame', 'class="reliability"', 'ab FUSED, night',
                 'sha256', 'pairs test'):
        assert word in text
    scene = text[text.index('night pedestrian'):]
    titles = re.findall(r'<figcaption>(\w+)</figcaption>', scene)[:6]
    assert titles == ['RGB', 'Thermal', 'Fused', 'Mask', 'Truth', 'Errors']


@pytest.mark.skipif(find_chromium() is None, reason='NO CHROMIUM: the page was not opened')
def test_a_browser_shows_every_picture_without_a_complaint(done):
    browser = Browser(find_chromium() or '')
    try:
        for width, scheme in ((1280, 'light'), (390, 'dark')):
            browser.open((done / PAGE).as_uri(), width, 900, scheme)
            assert not [event for event in browser.events if event[0] in (
                'Log.entryAdded', 'Runtime.exceptionThrown', 'Network.requestWillBeSent'
            ) and not event[1].get('request', {}).get('url', '').startswith(('file:', 'data:'))]
            assert browser.run('document.documentElement.scrollWidth') <= width
            assert browser.run('[...document.images].every(image => image.naturalWidth > 0)')
    finally:
        browser.close()


def test_names_are_shown_and_never_run():
    report = {
        'systems': [{'name': HOSTILE, 'seeds': []}], 'data': [], 'segmentation': {}, 'fusion': {},
        'versions': {}, 'command': HOSTILE,
    }
    table = Table(('method', 'VIF'), ((HOSTILE, '1.0 ± 0.1'),))
    text = page(report, [('fusion', HOSTILE, table, HOSTILE)], [], None)
    assert '<script' not in text
    assert '{{7*7}}' in text


def test_the_best_method_is_marked_but_no_copy():
    table = Table(('method', 'EN', 'VIF', 'Nabf (lower)'), (
        ('VIS', '9', '1.900', '0.000'), ('MAX', '8', '0.900 ± 0.100', '0.300'),
        ('ours', '7', '0.800', '0.200'),
    ))
    report = {'systems': [{'name': 'x', 'seeds': []}], 'data': [], 'segmentation': {},
              'fusion': {}, 'versions': {}}
    text = page(report, [('fusion', 'set', table, '')], [], None)
    assert re.findall(r'num best">([^<]*)<', text) == ['0.900 ± 0.100', '0.200']


def test_the_same_words_give_the_same_bytes(place, tmp_path):
    for _ in range(2):
        result = call('evaluate', place / 'a.safetensors', '--fusion-data', place / 'set',
                      '--limit', 2, '--out', tmp_path / 'out', *QUICK)
        assert result.exit_code == 0, result.output
        (tmp_path / 'out').rename(tmp_path / f'out{_}')
    for name in (RESULTS, TABLES, PAGE):
        assert (tmp_path / 'out0' / name).read_bytes() == (tmp_path / 'out1' / name).read_bytes()


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def old_results(out):
    out.mkdir()
    for name in (PAGE, 'mine.txt'):
        (out / name).write_text('old')
    (out / RESULTS).write_text('{"schema": 1, "status": "ok", "versions": {}}')
    return out


def test_older_results_are_replaced_and_other_files_kept(place, tmp_path):
    out = old_results(tmp_path / 'out')
    data = shutil.copytree(place / 'set', tmp_path / 'data')
    image = sorted(data.glob('*_ir.png'))[-1]
    image.write_bytes(image.read_bytes()[:100])
    refused(call('evaluate', place / 'a.safetensors', '--data', data, '-o', out, *QUICK))
    results = json.loads((out / RESULTS).read_text())
    assert results['status'] == 'failed'
    assert f'{image.name}: ' in results['error']
    assert not (out / PAGE).exists()
    assert (out / 'mine.txt').read_text() == 'old'


def test_a_mistake_takes_no_older_results_away(place, tmp_path):
    out = old_results(tmp_path / 'out')
    before = contents(out)
    line = refused(call('evaluate', place / 'nope.safetensors', '--data', place / 'set',
                        '-o', out))
    assert 'nope.safetensors: is not there' in line
    assert contents(out) == before


@pytest.mark.parametrize('name, text', [
    (PAGE, '<p>mine</p>'), (TABLES, 'my notes'), (RESULTS, '{"mine": 1}'), (RESULTS, '[1]'),
    (RESULTS, 'no JSON'),
])
def test_files_that_no_evaluation_wrote_are_kept(place, tmp_path, name, text):
    out = tmp_path / 'out'
    out.mkdir()
    (out / name).write_text(text)
    before = contents(out)
    line = refused(call('evaluate', place / 'a.safetensors', '--data', place / 'set', '-o', out,
                        *QUICK))
    assert f'{out}: holds {name}, but not as an earlier run leaves them' in line
    assert contents(out) == before


def words_of(place):
    """Mistake -> words of the command line."""
    a, data = place / 'a.safetensors', ('--data', place / 'set')
    return {
        r'no weights to evaluate; accepted: FILE': data,
        r'nothing to evaluate on; accepted: --data': (a,),
        r'nope: is not there; accepted: a \.safetensors.*rt-s; remedy: check the path':
            ('nope', *data),
        r'is not the folder of a run|has no best weights yet': (place / 'set', *data),
        r'other\.safetensors: the same weights as .*a\.safetensors':
            (a, place / 'other.safetensors', *data),
        r'two systems are called \'x\'.*NAME=': (f'x={a}', f'x={place / "b.safetensors"}', *data),
        r"'x=.*,' is no system; accepted: FILE": (f'x={a},', *data),
        r"'=.*' is no system": (f'={a}', *data),
        r'is no other seed of rt n.*seeds of one network':
            (f'x={a},{place / "early.safetensors"}', *data),
        r"--cascade: 'x=a' is no cascade; accepted: NAME=FUSE\+SEGMENT":
            ('--cascade', 'x=a', *data),
        r'rgb\.safetensors: sees one camera only and cannot fuse':
            ('--cascade', f'x={place / "rgb.safetensors"}+{a}', *data),
        r'early\.safetensors: cannot segment a fused image':
            ('--cascade', f'x={a}+{place / "early.safetensors"}', *data),
        r'set test: masks of 9 classes.*accepted: those of few: unlabelled, car, person':
            (place / 'few.safetensors', *data),
        r'pairs: f0 has no mask; accepted: a mask for every frame; remedy: .*--fusion-data':
            (a, '--data', place / 'pairs'),
        r"has no rows of split 'val'; accepted: test": (a, *data, '--split', 'val'),
        r'gone: is no folder': (a, '--data', place / 'gone'),
        r'--data: is empty; accepted: a folder': (a, '--data', ''),
        r"--fusion-data: unknown key 'splt'.*did you mean 'split'":
            (a, '--fusion-data', '{name: tno, root: x, splt: all}'),
        r"unknown data set 'imagenet'; accepted: mfnet": (a, '--data', '{name: imagenet}'),
        r'--data: is not YAML': (a, '--data', '{name: ['),
        r"two data sets are called 'set test'": (a, *data, *data),
        r'tiny f0, thermal: shape|f0, thermal: shape \(1, 9, 9\) cannot be scored; accepted':
            (a, '--fusion-data', place / 'tiny'),
        r'no system fuses, and none has labelled data':
            (place / 'rgb.safetensors', '--fusion-data', place / 'pairs'),
        r'--flicker-frames: one frame cannot flicker': (a, *data, '--flicker-frames', 1),
        r'only_heat: f0 has no RGB image': (a, '--fusion-data', place / 'only_heat'),
        r'f1_ir\.png: cannot be read': (a, '--data', place / 'torn'),
        r'f1_label\.png: holds id 77; accepted: 0\.\.8': (a, '--data', place / 'wrong'),
    }


@pytest.fixture(scope='module')
def mistakes(place):
    for suffix in ('.safetensors', '.json'):
        shutil.copy(place / f'a{suffix}', place / f'other{suffix}')
    write_weights(place / 'rgb.safetensors', network='rt_rgb', preset='s')
    write_weights(place / 'early.safetensors', network='rt_early', preset='s')
    write_weights(place / 'few.safetensors', classes=3)
    for name in ('tiny', 'only_heat', 'torn', 'wrong'):
        write_pairs(place / name, 2)
    for path in (place / 'tiny').glob('*.png'):
        Image.open(path).crop((0, 0, 9, 9)).save(path)
    index = place / 'only_heat' / 'index.csv'
    index.write_text(index.read_text().replace('f0_vi.png', ''))
    (place / 'torn' / 'f1_ir.png').write_bytes(b'not an image')
    Image.fromarray(np.full((HEIGHT, WIDTH), 77, np.uint8)).save(place / 'wrong' / 'f1_label.png')
    return words_of(place)


@pytest.mark.parametrize('number', range(len(words_of(Path()))))
def test_every_mistake_is_said_in_one_line(mistakes, tmp_path, number):
    said, words = list(mistakes.items())[number]
    quick = () if '--flicker-frames' in words else QUICK
    line = refused(call('evaluate', *words, '--out', tmp_path / 'out', *quick))
    assert re.search(said, line), line


def test_a_folder_that_cannot_be_written_is_refused(place, tmp_path):
    (tmp_path / 'file').write_text('')
    out = tmp_path / 'file' / 'x'
    line = refused(call('evaluate', place / 'a.safetensors', '--data', place / 'set',
                        '--out', out))
    assert 'file/x: cannot be written' in line
    assert 'choose another folder with --out' in line


def test_a_full_disk_is_told(place, tmp_path):
    with files_of_at_most(70_000):  # room for the first results, not for the page
        line = refused(call('evaluate', place / 'a.safetensors', '--data', place / 'set',
                            '--limit', 2, '--out', tmp_path, *QUICK))
    assert 'results.html: cannot be written' in line
    assert 'free some space' in line
    assert json.loads((tmp_path / RESULTS).read_text())['status'] == 'failed'
