"""pip and colcon install the same files, and everything that the package needs."""

import ast
import configparser
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest

import vif_perception
from vif_perception import resources
from vif_perception.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
STUBS = Path(__file__).parent / 'cmake'
NAME = 'vif_perception'


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob('*')
        if path.is_file() and path.suffix != '.pyc'
    }


def expected(tree: Path) -> set[str]:
    """Return every file the import package must have, by its path in the installed package."""
    moved = {'definitions': 'msg', 'presets': 'config'}
    return files(tree / NAME) | {
        f'{name}/{path}' for name, folder in moved.items() for path in files(tree / folder)
    }


@pytest.fixture(scope='module')
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clean copy of what the builds read: builds write beside their sources."""
    copy = tmp_path_factory.mktemp('tree')
    ignore = shutil.ignore_patterns('__pycache__', '*.pyc', '*.egg-info')
    for name in (NAME, 'msg', 'config', 'test', 'launch', 'requirements'):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    return copy


@pytest.fixture(scope='module')
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from a source distribution, as pip users get it."""
    if importlib.util.find_spec('setuptools') is None:
        pytest.skip('SETUPTOOLS IS NOT INSTALLED: no wheel was built and looked at')
    folder = tmp_path_factory.mktemp('wheel')
    run([sys.executable, 'setup.py', '-q', 'sdist', '-d', folder], tree)
    (archive,) = folder.glob('*.tar.gz')
    shutil.unpack_archive(archive, folder)
    (source,) = (path for path in folder.glob(f'{NAME}-*') if path.is_dir())
    run([sys.executable, 'setup.py', '-q', 'bdist_wheel', '-d', folder], source)
    (built,) = folder.glob('*.whl')
    return built


def run(command: list, folder: Path, **variables: str) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, capture_output=True, text=True,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, f'{command}\n{done.stdout}\n{done.stderr}'
    return done.stdout


def test_the_wheel_has_every_file(tree: Path, wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    found = {name.removeprefix(f'{NAME}/') for name in names if name.startswith(f'{NAME}/')}
    assert found == expected(tree)
    assert any(name.endswith('/LICENSE') for name in names)


def test_the_wheel_finds_its_files_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        'from vif_perception import resources, config\n'
        'path = resources.preset("default")\n'
        'config.load_config(path)\n'
        'print(path, len(resources.message_definition("FusionStatus")))\n'
    )
    printed = run([sys.executable, '-c', code], tmp_path, PYTHONPATH=str(tmp_path))
    assert printed.startswith(str(tmp_path / NAME / 'presets' / 'default.yaml'))


def test_cmake_installs_every_file(tree: Path, tmp_path: Path) -> None:
    if shutil.which('cmake') is None or not (shutil.which('cc') or shutil.which('gcc')):
        pytest.skip('NO CMAKE OR NO COMPILER: the install rules of CMakeLists.txt were not run')
    build, prefix = tmp_path / 'build', tmp_path / 'install'
    run([
        'cmake', '-S', tree, '-B', build, f'-DCMAKE_INSTALL_PREFIX={prefix}',
        f'-DCMAKE_PREFIX_PATH={STUBS}', f'-DPython3_EXECUTABLE={sys.executable}',
        '-DBUILD_TESTING=ON',
    ], tmp_path)
    run(['cmake', '--install', build], tmp_path)
    package = prefix / 'lib' / 'python' / NAME
    assert files(package) == expected(tree) | {'msg/__init__.py'}
    # Our __init__.py has replaced the empty one of the message generator.
    assert (package / '__init__.py').read_text() == (ROOT / NAME / '__init__.py').read_text()
    assert (prefix / 'share' / NAME / 'config' / 'default.yaml').is_file()
    for name, target in entry_points().items():
        script = prefix / 'lib' / NAME / name
        assert os.access(script, os.X_OK), f'{script} cannot be started'
        first, *rest = script.read_text().splitlines()
        assert first == f'#!{sys.executable}'
        module, function = target.split(':')
        assert f'from {module} import {function}' in rest
        assert f'    sys.exit({function}())' in rest
        # It starts with nothing but the install prefix on the path, as `ros2 run` starts it.
        found = run([script, '--version'], tmp_path, PYTHONPATH=str(package.parent))
        assert vif_perception.__version__ in found


def entry_points() -> dict[str, str]:
    parser = configparser.ConfigParser(delimiters='=')
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(ROOT / 'entry_points.txt')
    return {name: target for group in parser.sections() for name, target in parser.items(group)}


def test_entry_points_exist() -> None:
    assert 'vif-perception' in entry_points()
    for target in entry_points().values():
        module, function = target.split(':')
        assert callable(getattr(importlib.import_module(module), function))


def test_the_version_is_the_same_everywhere() -> None:
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    assert package.findtext('name') == NAME
    assert package.findtext('version') == vif_perception.__version__


def test_package_xml_declares_what_cmake_uses() -> None:
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    declared = {
        element.text for element in package
        if element.tag in ('buildtool_depend', 'build_depend', 'depend', 'test_depend')
    }
    text = (ROOT / 'CMakeLists.txt').read_text(encoding='utf-8')
    used = set(re.findall(r'find_package\((\w+)', text)) - {'Python3'}
    assert used <= declared
    assert package.findtext('export/build_type') == 'ament_cmake'
    assert package.findtext('member_of_group') == 'rosidl_interface_packages'
    # These PyPI names belong to other packages; as ROS packages they must never reach setup.py.
    assert not {'launch', 'cv-bridge', 'cv_bridge', 'rclpy'} & requirements('setup.py')


def requirements(name: str) -> set[str]:
    """Return the distributions that setup.py or a requirements file names, normalised."""
    text = (ROOT / name).read_text(encoding='utf-8')
    return {normal(found) for found in re.findall(r"(?m)(?:^|')([A-Za-z][\w.-]*)[<>=~]=", text)}


def normal(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def third_party_imports() -> set[str]:
    tops = set()
    for path in (ROOT / NAME).rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                tops |= {alias.name.partition('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                tops.add(node.module.partition('.')[0])
    return tops - set(sys.stdlib_module_names) - {NAME}


def test_every_import_is_a_declared_dependency() -> None:
    distributions = metadata.packages_distributions()
    declared = requirements('setup.py')
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    ros = {element.text for element in package if element.tag in ('depend', 'exec_depend')}
    for module in sorted(third_party_imports() - ros):  # ROS packages do not come from pip
        owners = {normal(name) for name in distributions.get(module, [])}
        assert (owners or {normal(module)}) & declared, f'nobody requires what has {module}'


def test_torch_is_not_pinned_in_the_metadata() -> None:
    text = (ROOT / 'setup.py').read_text(encoding='utf-8')
    assert re.search(r"'torch>=2\.4'", text)
    assert not re.search(r"'torch[^']*(==|<|~=)", text)


def test_the_constraints_cover_every_dependency() -> None:
    constrained = requirements('requirements/constraints.txt')
    assert requirements('setup.py') - {'typing-extensions'} <= constrained


@pytest.mark.parametrize('name', ['', '../setup', '/etc/passwd', 'absent', 'train', '.'])
def test_presets_that_are_not_there_are_refused(name: str) -> None:
    with pytest.raises(InputError, match='default'):
        resources.preset(name)


def test_messages_and_weights_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match=r'EntityScores, EvaluationScores, FusionStatus'):
        resources.message_definition('Nothing')
    with pytest.raises(InputError, match='absent'):
        resources.weights_file('absent')


def test_every_weights_file_has_its_card() -> None:
    for path in (ROOT / NAME / 'weights').glob('*.safetensors'):
        assert resources.weights_file(path.stem) == path
        assert path.with_suffix('.json').is_file(), f'{path.name} has no card'


def test_the_licence_is_there() -> None:
    text = (ROOT / 'LICENSE').read_text(encoding='utf-8')
    assert 'Apache License' in text
    assert 'END OF TERMS AND CONDITIONS' in text
