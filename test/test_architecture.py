"""The rooms of the house and who may know whom; and what never comes into the repository."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'vif_perception'

#: Modules beside the rooms: what everyone may know, and whom they may know.
GROUND = {'errors', 'types', 'labels', 'config', 'resources', 'yaml_text', 'schema', 'files'}
#: room -> rooms it may import; arrows point down only.
ROOMS = {
    'sensing': GROUND,
    'sync': GROUND,
    'models': {'errors', 'types', 'labels'},
    'inference': GROUND | {'models'},
    'pipeline': GROUND | {'sensing', 'sync', 'inference'},
    'sim': GROUND | {'sensing'},
    'metrics': GROUND | {'models'},
    'training': GROUND | {'sensing', 'models', 'inference', 'sim', 'metrics'},
    'report': GROUND | {'sync', 'pipeline', 'metrics'},
    'replay': GROUND | {'sensing', 'sync', 'inference', 'pipeline', 'sim', 'report'},
    # msg: what rosidl generates from our definitions
    'ros': GROUND | {'sensing', 'sync', 'inference', 'pipeline', 'sim', 'report', 'msg'},
    'cli': GROUND | {'sensing', 'sync', 'models', 'inference', 'pipeline', 'sim', 'metrics',
                     'training', 'report', 'replay'},
}
GROUND_KNOWS = {
    'errors': set(), 'types': set(), 'labels': {'errors', 'types'}, 'resources': {'errors'},
    'files': {'errors'},
    'yaml_text': {'errors'}, 'config': {'errors', 'schema'},
    'schema': {'errors', 'yaml_text'},
}
BELOW_THE_DOORS = ('sensing', 'sync', 'models', 'inference', 'pipeline', 'sim')
TRANSPORTS_AND_SCREENS = {
    'rclpy', 'rosbags', 'mcap', 'cyclonedds', 'typer', 'click', 'rich', 'jinja2', 'launch',
    'launch_ros', 'cv_bridge',
}


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the dotted names a module imports anywhere, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            module = node.module or ''
            found.update(f'{module}.{alias.name}' for alias in node.names)
    return frozenset(found)


def modules(room: str) -> list[Path]:
    if (PACKAGE / room).is_dir():
        return sorted((PACKAGE / room).rglob('*.py'))
    return [PACKAGE / f'{room}.py']


def rooms_known(path: Path) -> set[str]:
    """Return the rooms and ground modules that a module imports."""
    known = set()
    for name in imports(path):
        top, _, rest = name.partition('.')
        if top == 'vif_perception':
            room = rest.partition('.')[0]
            known.add(room)
    return {room for room in known if not room.startswith('__')}


def third_party(path: Path) -> set[str]:
    tops = {name.partition('.')[0] for name in imports(path)}
    return tops - set(sys.stdlib_module_names) - {'vif_perception', ''}


def test_every_room_has_a_rule() -> None:
    found = {
        path.parent.name for path in PACKAGE.glob('*/*.py')
    } | {path.stem for path in PACKAGE.glob('*.py')} - {'__init__'}
    assert found == set(ROOMS) | GROUND, 'give a new room or module its place in this file'


@pytest.mark.parametrize('room', ROOMS)
def test_arrows_point_down(room: str) -> None:
    for path in modules(room):
        forbidden = rooms_known(path) - ROOMS[room] - {room}
        assert not forbidden, f'{path.relative_to(ROOT)} may not know {sorted(forbidden)}'


@pytest.mark.parametrize('module', sorted(GROUND))
def test_the_ground_knows_no_room(module: str) -> None:
    assert rooms_known(PACKAGE / f'{module}.py') <= GROUND_KNOWS[module]


def test_rules_have_no_circles() -> None:
    rules = {room: below - GROUND for room, below in ROOMS.items()}
    while rules:
        free = [room for room, below in rules.items() if not below & set(rules)]
        assert free, f'circle among {sorted(rules)}'
        for room in free:
            del rules[room]


@pytest.mark.parametrize('room', BELOW_THE_DOORS)
def test_nothing_below_the_doors_knows_transports_or_screens(room: str) -> None:
    for path in modules(room):
        found = third_party(path) & TRANSPORTS_AND_SCREENS
        assert not found, f'{path.relative_to(ROOT)} imports {sorted(found)}'


def test_reports_need_no_transport() -> None:
    for path in modules('report'):
        found = third_party(path) & (TRANSPORTS_AND_SCREENS - {'jinja2'})
        assert not found, f'{path.relative_to(ROOT)} imports {sorted(found)}'


def test_models_know_torch_only() -> None:
    for path in modules('models'):
        extra = third_party(path) - {'torch', 'numpy', 'torchvision'}
        assert not extra, f'{path.relative_to(ROOT)} imports {sorted(extra)}'


def test_the_synchroniser_is_pure_python() -> None:
    assert not set().union(*map(third_party, modules('sync')))


def test_entities_need_no_heavy_package_unless_a_model_is_given() -> None:
    for path in modules('training/entities'):
        extra = third_party(path) - {'numpy', 'PIL', 'simplemma'}
        assert not extra, f'{path.relative_to(ROOT)} imports {sorted(extra)}'


@pytest.mark.parametrize(
    'room', ['sensing', 'sync', 'models', 'pipeline', 'sim', 'training/entities']
)
def test_no_clock_below_the_doors(room: str) -> None:
    for path in modules(room):
        found = {name.partition('.')[0] for name in imports(path)} & {'time', 'datetime'}
        assert not found, f'{path.relative_to(ROOT)} imports {sorted(found)}'


def test_names_that_ros_needs_stay_free() -> None:
    taken = {path.stem for path in PACKAGE.rglob('*')} & {'msg', 'srv', 'action', 'rclpy'}
    assert not taken


@pytest.mark.parametrize('room', ['sensing', 'sync', 'sim', 'cli.main'])
def test_importing_needs_no_torch(room: str) -> None:
    code = f'import sys, vif_perception.{room}; print([m for m in {HEAVY} if m in sys.modules])'
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == '[]'


HEAVY = ('torch', 'torchmetrics', 'rosbags')


def texts() -> Iterator[tuple[Path, str]]:
    """Yield every text file of the repository, also where it is no git checkout."""
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        paths = [ROOT / name for name in listed.stdout.split('\0') if name]
    else:
        roots = ('vif_perception', 'test', 'config', 'msg', 'launch', 'requirements')
        paths = [path for root in roots for path in (ROOT / root).rglob('*')]
        paths += [path for path in ROOT.iterdir() if path.suffix or path.name == 'Makefile']
    for path in paths:
        if path.is_file() and path.suffix not in {'.safetensors', '.png', '.jpg', '.pyc'}:
            yield path, path.read_text(encoding='utf-8', errors='replace')


def test_no_place_of_one_machine_in_the_repository() -> None:
    # Written in two parts, so that this file does not find itself.
    places = ['/' + 'work/', '/' + 'root/', '/' + 'home/', '/' + 'tmp/', '/' + 'farm/']
    hosts = ['pypi.' + 'org', 'pythonhosted.' + 'org', 'download.' + 'pytorch']
    pattern = re.compile('|'.join(rf'(?<![\w.~-]){place}' for place in places) + '|'
                         + '|'.join(map(re.escape, hosts)))
    for path, text in texts():
        found = pattern.search(text)
        assert found is None, f'{path.relative_to(ROOT)} names {found[0]!r}'


def test_nothing_is_unpickled_and_yaml_is_safe() -> None:
    unsafe = {'pickle', 'cPickle', 'dill', 'joblib', 'marshal', 'shelve'}
    for path in PACKAGE.rglob('*.py'):
        where = path.relative_to(ROOT)
        tops = {name.partition('.')[0] for name in imports(path)}
        assert not tops & unsafe, f'{where} imports {sorted(tops & unsafe)}'
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                allows = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                # Only training continues from its own checkpoints, and never unpickles objects.
                resumes = path.parent.name == 'training' and allows.get('weights_only') == 'True'
                assert called != 'torch.load' or resumes, f'{where} calls torch.load'
                assert called not in {'yaml.load', 'yaml.unsafe_load', 'yaml.full_load'}, (
                    f'{where} calls {called}'
                )
                assert 'allow_pickle' not in allows, f'{where} allows pickle in {called}'
