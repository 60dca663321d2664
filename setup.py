"""The pip side of the package; CMakeLists.txt is the colcon side and installs the same files."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
NAME = 'vif_perception'


def data_packages(folder: str, package: str) -> dict[str, str]:
    """Return {package: folder} for a top-level data folder and all folders below it."""
    below = sorted(path for path in (HERE / folder).rglob('*') if path.is_dir())
    names = [folder, *(path.relative_to(HERE).as_posix() for path in below)]
    return {name.replace(folder, package, 1).replace('/', '.'): name for name in names}


def version() -> str:
    """Return the version without importing the package (torch may not be there yet)."""
    text = (HERE / NAME / '__init__.py').read_text(encoding='utf-8')
    found = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    if found is None:
        raise RuntimeError(f'{NAME}/__init__.py has no __version__')
    return found[1]


# ROS expects msg/ and config/ at the top; pip users get the same files inside the package.
data = data_packages('msg', f'{NAME}.definitions') | data_packages('config', f'{NAME}.presets')

setup(
    name=NAME,
    version=version(),
    description='Thermal + RGB perception for robots: fused image, semantic mask, confidence',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=[*find_packages(include=[NAME, f'{NAME}.*']), *data],
    package_dir=data,
    package_data={
        NAME: ['weights/*.safetensors', 'weights/*.json', 'report/templates/*'],
        **{package: ['*.msg', '*.yaml', '*.json', '*.rviz'] for package in data},
    },
    install_requires=[
        'jinja2>=3.1',
        'markupsafe>=2.1',
        'mcap>=1.2.1',
        'numpy>=1.24',
        'pillow>=9.4',
        'pydantic>=2',
        'pyyaml>=6',
        'rich>=13',
        'rosbags>=0.11.7',
        'safetensors>=0.4',
        'torch>=2.4',  # never pinned here: Jetson and CUDA machines bring their own
        'typer>=0.20',
        'typing-extensions>=4.4',
    ],
    extras_require={
        'entities': ['simplemma>=1'],
        'export': ['onnx>=1.17', 'onnxruntime>=1.19', 'onnxscript>=0.2'],
        'train': ['lightning-fabric>=2.4', 'tensorboard>=2.15', 'torchvision>=0.19'],
        'test': [
            'hypothesis>=6.100', 'lightning-fabric>=2.4', 'mypy>=1.11', 'onnx>=1.17',
            'onnxruntime>=1.19', 'onnxscript>=0.2', 'pytest>=8', 'pytest-xdist>=3.5', 'ruff>=0.6',
            'scikit-image>=0.22', 'setuptools>=70.1', 'simplemma>=1', 'torchmetrics>=1.4',
        ],
    },
    entry_points=(HERE / 'entry_points.txt').read_text(encoding='utf-8'),
    zip_safe=False,
)
