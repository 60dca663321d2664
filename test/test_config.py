"""The configuration schema, its files and what is derived from it."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import strategies as st
from patience import given

from vif_perception import resources
from vif_perception.cli.params import as_json, as_markdown, as_yaml
from vif_perception.config import Config, describe, load_config
from vif_perception.errors import InputError

ROOT = Path(__file__).resolve().parents[1]


def written(folder: Path, text: str) -> Path:
    path = folder / 'config.yaml'
    path.write_text(text, encoding='utf-8')
    return path


def test_nothing_given_is_the_default() -> None:
    assert load_config() == Config()


@pytest.mark.parametrize('text', ['', '# only a comment', '/**:\n  ros__parameters: {}'])
def test_an_empty_file_is_the_default(tmp_path: Path, text: str) -> None:
    assert load_config(written(tmp_path, text)) == Config()


@pytest.mark.parametrize('text', [
    '/**:\n  ros__parameters:\n    sync:\n      max_skew_ms: 40.0',
    '/**:\n  ros__parameters:\n    sync.max_skew_ms: 40.0',
    '/fusion:\n  ros__parameters:\n    sync: {max_skew_ms: 40}',
    'sync:\n  max_skew_ms: 40',
    'sync.max_skew_ms: 40',
])
def test_ros_and_plain_nested_and_dotted_mean_the_same(tmp_path: Path, text: str) -> None:
    config = load_config(written(tmp_path, text))
    assert config.sync.max_skew_ms == 40.0
    assert config.sync.deadline_ms == Config().sync.deadline_ms


def test_set_beats_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, 'sync: {max_skew_ms: 40, queue_size: 3}')
    config = load_config(path, ['sync.max_skew_ms=15'])
    assert (config.sync.max_skew_ms, config.sync.queue_size) == (15.0, 3)


def test_set_takes_lists_and_words() -> None:
    config = load_config(sets=[
        'registration.homography=[1, 0, 0, 0, 1, 0, 0, 0, 1]', 'registration.source=homography',
        'reference=thermal',
    ])
    assert config.registration.homography == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert config.reference == 'thermal'


@given(st.floats(0, 10_000))
def test_any_value_in_range_comes_through(value: float) -> None:
    assert load_config(sets=[f'sync.max_skew_ms={value!r}']).sync.max_skew_ms == value


@given(st.one_of(st.floats(max_value=-1e-300), st.floats(min_value=10_000.001), st.just('x')))
def test_any_value_out_of_range_is_refused(value: object) -> None:
    with pytest.raises(InputError, match='max_skew_ms'):
        load_config(sets=[f'sync.max_skew_ms={value}'])


@pytest.mark.parametrize('sets, words', [
    (['sync.max_skew=3'], ["unknown key 'sync.max_skew'", "did you mean 'sync.max_skew_ms'"]),
    (['nonsense.at.all=3'], ['unknown key']),
    (['sync.policy=newest'], ['sync.policy', "'newest'", 'nearest | exact', "'nearest'"]),
    (['sync.max_skew_ms=-1'], ['sync.max_skew_ms', '-1', '>= 0', '25.0']),
    (['sync.max_skew_ms=.nan'], ['sync.max_skew_ms']),
    (['sync.queue_size=2.5'], ['sync.queue_size', '2.5']),
    (['sync=5'], ['sync']),
    (['thermal.window_min_k=320'], ['window_min_k must be below window_max_k']),
    (['registration.source=homography'], ['homography', 'empty']),
    (['registration.homography=[1, 2]'], ['2 numbers', '9']),
    (['registration.t_rgb_thermal=[1]'], ['1 numbers', '16']),
    (['max_skew_ms'], ['key=value']),
    (['=3'], ['key=value']),
    (['sync.max_skew_ms=[1'], ['not YAML']),
])
def test_bad_overrides_say_what_is_wrong(sets: list[str], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_config(sets=sets)
    for word in words:
        assert word in str(caught.value)
    assert '\n' not in str(caught.value)


def test_what_was_set_beside_a_file_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, 'thermal: {window_min_k: 300, smoothing_s: -1}')
    for sets, place in ([], path), (['thermal.smoothing_s=-2'], '--set'):
        with pytest.raises(InputError) as caught:
            load_config(path, sets)
        assert caught.value.where == str(place)
    with pytest.raises(InputError, match=r'^--set: thermal: window_min_k must be below'):
        load_config(path, ['thermal.smoothing_s=1', 'thermal.window_max_k=290'])


@pytest.mark.parametrize('text, word', [
    ('- a\n- b', 'mapping'),
    ('just words', 'mapping'),
    ('/**:\n  ros__parameters: [1]', 'not a mapping'),
    ('sync: [', 'not YAML'),
    ('!!python/object/apply:os.getcwd []', 'not YAML'),
    ('sync: {max_skew_msec: 3}', 'max_skew_ms'),
    ('reference: rgb\nreference: thermal', "'reference' is given twice"),
    ('sync: {max_skew_ms: 3, max_skew_ms: 4}', "'max_skew_ms' is given twice"),
])
def test_bad_files_name_the_file(tmp_path: Path, text: str, word: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=word) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_unreadable_files_name_the_file(tmp_path: Path) -> None:
    for path in (tmp_path / 'absent.yaml', tmp_path):
        with pytest.raises(InputError, match='cannot be read') as caught:
            load_config(path)
        assert str(path) in str(caught.value)
    binary = tmp_path / 'binary.yaml'
    binary.write_bytes(b'\xff\xfe\x00\x80')
    with pytest.raises(InputError, match='cannot be read'):
        load_config(binary)


def test_every_parameter_is_described() -> None:
    for key, accepted, _, meaning in describe():
        assert accepted, key
        assert len(meaning) > 10, key


def test_the_default_file_holds_every_parameter_with_its_default() -> None:
    path = resources.preset('default')
    assert load_config(path) == Config()
    text = path.read_text(encoding='utf-8')
    tree = yaml.safe_load(text)['/**']['ros__parameters']
    for key, _, default, _ in describe():
        *above, name = key.split('.')
        group = tree
        for part in above:
            group = group[part]
        if default in ((), {}):
            assert f'# {name}: {json.dumps(default)}' in text
        else:
            assert group[name] == default, key


def test_files_made_from_the_schema_are_up_to_date() -> None:
    rows = describe()
    assert resources.preset('default').read_text(encoding='utf-8') == as_yaml(rows), (
        'run: vif-perception params -f yaml > config/default.yaml'
    )
    table = ROOT / 'docs' / 'parameters.md'
    if not table.is_file():
        pytest.skip('NO docs/ HERE: this is a source distribution')
    assert table.read_text(encoding='utf-8') == as_markdown(rows), (
        'run: vif-perception params -f markdown > docs/parameters.md'
    )


def test_the_json_form_is_complete() -> None:
    rows = json.loads(as_json(describe()))
    assert [row['key'] for row in rows] == [row[0] for row in describe()]
    assert set(rows[0]) == {'key', 'accepted', 'default', 'meaning'}
