"""report.html: complete without anything, safe with any text, and usable in a real browser."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from browser import Browser, find_chromium
from PIL import Image, ImageDraw

from vif_perception.labels import MFNET
from vif_perception.report.gallery import Gallery
from vif_perception.report.html import write_html
from vif_perception.types import Frame, FramePair, Mode, Perception

HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(1)>"\'&{{7*7}}\u2028'
LOST = {7: 'thermal missing', 15: 'thermal frozen', 16: 'thermal frozen'}
STAGES = ('decode', 'network', 'total')
METRICS = {'EN': 6.6, 'VIF': 0.9, 'Qabf': 0.6, 'Nabf': 0.02}


def scene(index, width=160, height=120):
    """A drawn road with a car that moves: rgb, thermal, truth."""
    pictures = []
    for mode, sky, road, car in (('RGB', '#9bd', '#555', '#a33'), ('L', 40, 90, 220),
                                 ('L', 0, 0, 1)):
        image = Image.new(mode, (width, height), sky)
        draw = ImageDraw.Draw(image)
        draw.polygon([(0, height), (70, 55), (90, 55), (width, height)], fill=road)
        draw.rectangle((20 + 3 * index, 60, 50 + 3 * index, 85), fill=car)
        pictures.append(np.array(image))
    return pictures


def replayed(count=24, max_frames=48):
    """Rows and gallery of a replay with a worst frame, one missing and two frozen."""
    gallery, rows = Gallery(MFNET, max_frames), []
    for index in range(count):
        rgb, thermal, truth = scene(index % 24)
        mask = np.roll(truth, 12 if index == 11 else 2, axis=1)
        missing = index == 7
        row = {
            'index': index, 'stamp_ns': 1_700_000_000_000_000_000 + index * 100_000_000,
            'thermal_stamp_ns': None if missing else 1, 'rgb_stamp_ns': 1,
            'skew_ms': None if missing else 8.0 + index % 5,
            'mode': 'RGB_ONLY' if index in LOST else 'FUSED', 'reason': LOST.get(index, ''),
            'entities': {'car': 0.9, 'person': 0.1},
            'latency_ms': dict(zip(STAGES, (2.0, 20.0 + index % 7, 25.0), strict=True)),
            'miou': 0.31 if index == 11 else 0.8 - 0.001 * index,
        }
        frame = Frame(row['stamp_ns'], 'rgb_optical', rgb, 'rgb8')
        perception = Perception(
            row['stamp_ns'], 'rgb_optical', rgb, mask, np.full_like(mask, 210), row['entities'],
            Mode(row['mode']), row['reason'],
        )
        gallery.add(
            row, FramePair(None if missing else frame, frame), perception, truth, rgb, thermal
        )
        rows.append(row)
    return rows, gallery


def full_report(**changed):
    return {
        'schema': 1, 'status': 'ok', 'error': None,
        'bag': {'paths': ['/data/drive_mcap'], 'duration_s': 2.4},
        'topics': {'rgb': '/rgb/image_raw', 'thermal': '/thermal/image_raw', 'truth': None},
        'frames': {'rgb': 24, 'thermal': 23, 'pairs': 23, 'partials': 1},
        'drops': {'late': 2}, 'modes': {'FUSED': 21, 'RGB_ONLY': 3},
        'skew_ms': {'p50': 10.0, 'p95': 12.0, 'max': 12.0},
        'latency_ms': {stage: {'p50': 20.0, 'p95': 25.0, 'p99': 26.0} for stage in STAGES},
        'segmentation': {
            'miou_present': 0.8, 'miou_foreground': 0.7, 'miou_fixed': 0.2, 'frames': 24,
            'per_class': {'unlabelled': 0.9, 'car': 0.7, 'person': None},
        },
        'fusion': dict.fromkeys(('ours', 'VIS', 'IR', 'AVG', 'MAX'), METRICS),
        'gates': [{'name': 'frames.pairs', 'op': '>=', 'limit': 20, 'value': 23, 'passed': True}],
        'notes': [], 'versions': {'vif_perception': '0.1.0'},
        'weights': {'name': 'rt-s', 'sha256': 'ab' * 32}, **changed,
    }


class Page(HTMLParser):
    """Elements, their attributes and texts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts = [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        tag = self.elements[-1][0] if self.elements else ''
        self.texts[tag] = self.texts.get(tag, '') + data

    def data(self):
        start = next(i for i, (_, a) in enumerate(self.elements) if a.get('id') == 'data')
        assert self.elements[start][0] == 'script'
        return json.loads(re.match(r'\{.*\}', self.texts['script'], re.DOTALL)[0].split('\n')[0])


def written(path, report, rows=(), gallery=None):
    write_html(path, report, rows, gallery or Gallery(MFNET), MFNET)
    return path.read_text(encoding='utf-8')


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp('report') / 'report.html'
    written(path, full_report(), *replayed())
    return path


EMPTY = dict.fromkeys(full_report())


@pytest.mark.parametrize('report', [
    {}, EMPTY, {**EMPTY, 'status': 'nodata'}, full_report(status='failed', error='disk full'),
    {key: type(value)() if isinstance(value, (dict, list)) else value
     for key, value in full_report().items()},
])
def test_every_part_may_be_empty(tmp_path, report):
    text = written(tmp_path / 'a.html', report)
    page = Page(text)
    assert page.data()['frames'] == []
    assert page.texts['h1'].strip()
    assert (report.get('error') or '') in text


def test_rows_without_pictures_and_numbers_that_are_none(tmp_path):
    rows = [{'index': 0, 'stamp_ns': 5, 'mode': 'FUSED', 'reason': '', 'skew_ms': float('nan'),
             'entities': None, 'latency_ms': {}, 'miou': float('nan')}]
    data = Page(written(tmp_path / 'a.html', full_report(), rows)).data()
    assert data['charts'] == {}
    assert len(data['runs']) == 1


def test_nothing_is_fetched_and_the_size_is_bounded(page):
    text = page.read_text(encoding='utf-8')
    assert '@import' not in text
    assert 'url(' not in text
    for tag, attributes in Page(text).elements:
        for name in ('src', 'href', 'action'):
            assert attributes.get(name, '#').startswith(('#', 'data:')), (tag, attributes)
    assert 'http://' not in text
    assert 'https://' not in text
    assert len(text) < 12_000_000


def test_the_policy_allows_the_one_script(page):
    import hashlib

    text = page.read_text(encoding='utf-8')
    script = re.search(r'<script>(.*?)</script>', text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(a['content'] for _, a in Page(text).elements
                  if a.get('http-equiv') == 'Content-Security-Policy')
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_same_input_same_bytes(tmp_path):
    first = written(tmp_path / 'a.html', full_report(), *replayed())
    assert first == written(tmp_path / 'b.html', full_report(), *replayed())


def hostile_page(path):
    rows, gallery = replayed(3)
    for row in (*rows, *(entry.row for entry in gallery.entries())):
        row.update(reason=HOSTILE, mode=HOSTILE, entities={HOSTILE: 0.5})
    text = {HOSTILE: HOSTILE}
    report = full_report(
        bag={'paths': [HOSTILE]}, topics=text, versions=text, weights={'name': HOSTILE},
        notes=[HOSTILE], error=HOSTILE, drops={HOSTILE: 3}, modes={HOSTILE: 3},
        latency_ms={HOSTILE: {'p50': 1.0}}, schema=HOSTILE,
        fusion={HOSTILE: {HOSTILE: 1.0}, 'b': {HOSTILE: 2.0}},
        gates=[{'name': HOSTILE, 'op': HOSTILE, 'limit': HOSTILE, 'value': HOSTILE}],
        segmentation={'per_class': {HOSTILE: 0.5}},
    )
    return written(path, report, rows, gallery)


def test_texts_from_bags_stay_texts(tmp_path):
    page = Page(hostile_page(tmp_path / 'a.html'))
    tags = [tag for tag, _ in page.elements]
    assert tags.count('script') == 2
    assert 'img' not in tags
    assert not any(name.startswith('on') for _, attrs in page.elements for name in attrs)
    assert page.data()['runs'][0][3] == HOSTILE
    assert '49' not in page.texts['h1']


def test_text_that_is_no_unicode_is_written(tmp_path):
    assert written(tmp_path / 'a.html', full_report(error='bad \udcff name'))


def test_a_long_bag_gives_a_small_page(tmp_path):
    rows, gallery = replayed(60, max_frames=4)
    long = [{**rows[i % 60], 'index': i, 'stamp_ns': i * 100_000_000} for i in range(20_000)]
    text = written(tmp_path / 'a.html', full_report(), iter(long), gallery)
    assert len(text) < 400_000


# What a person does with it ------------------------------------------------------------------

@pytest.fixture(scope='module')
def browser():
    program = find_chromium()
    if program is None:
        pytest.skip('NO CHROMIUM HERE: the report was not tried in a browser')
    browser = Browser(program)
    yield browser
    browser.close()


def opened(browser, path, width=1280, height=900, scheme='light'):
    browser.open(path.as_uri(), width, height, scheme)
    return browser


def complaints(browser):
    """Errors on the console and requests to anywhere."""
    found = []
    for method, values in browser.events:
        if method in ('Runtime.exceptionThrown', 'Runtime.consoleAPICalled', 'Log.entryAdded'):
            found.append(values)
        if method == 'Network.requestWillBeSent':
            url = values['request']['url']
            if not url.startswith('data:') and values['type'] != 'Document':
                found.append(url)
    return found


def stage(browser):
    """Output number and picture on the stage, once it is decoded."""
    return browser.run('''(async () => {
        const images = [...document.querySelectorAll('#stage img')];
        await Promise.all(images.map((image) => image.decode()));
        const name = document.querySelector('#stage .view').getAttribute('aria-label');
        return [name, images.map((image) => image.src.length), images[0].naturalWidth];
    })()''')


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert('RGB'), np.float32)


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width, height', [(390, 844), (1280, 900)])
def test_opens_without_complaints_and_fits(browser, page, width, height, scheme):
    opened(browser, page, width, height, scheme)
    name, sizes, natural = stage(browser)
    assert complaints(browser) == []
    assert name == 'Overlay of output 11'  # the worst frame comes first
    assert len(sizes) == 2
    assert natural == 160
    assert browser.run('document.documentElement.scrollWidth <= innerWidth')
    shown = pixels(browser.screenshot())
    assert shown.std() > 20
    assert (shown.mean() < 110) == (scheme == 'dark')
    browser.run("document.getElementById('frames').scrollIntoView({behavior: 'instant'})")
    box = browser.run("""(() => { const b = document.querySelector('#stage .view')
        .getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })()""")
    left, top, right, bottom = (round(value) for value in box)
    picture = pixels(browser.screenshot())[top + 4:bottom - 4, left + 4:right - 4]
    assert picture.size
    assert picture.std() > 20


def test_slider_keys_and_buttons(browser, page):
    opened(browser, page)
    browser.run("document.getElementById('by-time').click()")
    browser.run("""(() => { const slider = document.getElementById('slider'); slider.value = 5;
        slider.dispatchEvent(new Event('input', {bubbles: true})); })()""")
    assert stage(browser)[0] == 'Overlay of output 5'
    browser.press('ArrowRight')
    assert stage(browser)[0] == 'Overlay of output 6'
    browser.run("document.getElementById('slider').focus()")
    browser.press('ArrowLeft')
    browser.press('ArrowLeft')
    assert stage(browser)[0] == 'Overlay of output 4'
    assert browser.run("document.getElementById('count').textContent") == '5 / 24'
    browser.press('2')
    assert stage(browser)[0] == 'Fused of output 4'
    browser.run("document.getElementById('by-worst').click()")
    assert stage(browser)[0] == 'Fused of output 11'
    browser.press('ArrowLeft')
    assert stage(browser)[0] == 'Fused of output 11'  # the end stays the end
    assert complaints(browser) == []


def test_filter_and_frames_without_a_camera(browser, page):
    opened(browser, page)
    browser.run("""(() => { const filter = document.getElementById('filter');
        filter.value = 'single'; filter.dispatchEvent(new Event('change')); })()""")
    assert browser.run("document.getElementById('count').textContent") == '1 / 3'
    browser.run("document.getElementById('by-time').click()")
    browser.press('ArrowLeft')
    browser.press('ArrowLeft')
    browser.run("document.querySelector('[data-view=thermal]').click()")
    text = browser.run("document.querySelector('#stage .view').textContent")
    assert text == 'no Thermal frame'
    assert 'thermal missing' in browser.run("document.getElementById('facts').textContent")


def test_the_timeline_tells_the_reason_and_jumps(browser, page):
    opened(browser, page)
    left, top, width, height = browser.run("""(() => {
        document.getElementById('modes').scrollIntoView({behavior: 'instant'});
        const b = document.querySelector('[data-chart=modes] .area').getBoundingClientRect();
        return [b.left, b.top, b.width, b.height]; })()""")
    browser.click(left + width * 15.5 / 24, top + height / 2)
    told = browser.run("document.querySelector('[data-chart=modes] .readout').textContent")
    assert 'thermal frozen' in told
    assert '2 outputs (#15 to #16)' in told
    assert stage(browser)[0] in ('Overlay of output 15', 'Overlay of output 16')
    assert complaints(browser) == []


def test_hostile_texts_do_nothing(browser, tmp_path):
    path = tmp_path / 'hostile.html'
    hostile_page(path)
    opened(browser, path)
    assert stage(browser)[2] == 160
    assert complaints(browser) == []
    assert browser.run("document.querySelectorAll('[onerror], #facts img').length") == 0


@pytest.mark.parametrize('report', [{}, {'status': 'nodata', 'frames': {'rgb': 0, 'thermal': 0}}])
def test_opens_with_nothing_in_it(browser, tmp_path, report):
    written(tmp_path / 'empty.html', report)
    opened(browser, tmp_path / 'empty.html', 390, 844)
    assert complaints(browser) == []
    assert browser.run("document.getElementById('browser').hidden")
    assert not browser.run("document.getElementById('nothing').hidden")
