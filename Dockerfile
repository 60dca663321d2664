# The package in a ROS image; see docs/robot_installation.md. Not run where it was written.
#   docker build -t vif_perception --build-arg ROS_DISTRO=jazzy .
# Humble: pydantic and others of apt are too old, pip brings newer ones into the environment.
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base

# Where torch comes from; empty: pip's default index, whose Linux builds bring CUDA.
ARG TORCH_INDEX=""
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive

WORKDIR /opt/vif
# First what changes seldom: the layers below stay cached while the sources change.
COPY package.xml src/vif_perception/
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv python3-pip \
      python3-colcon-common-extensions ros-${ROS_DISTRO}-rmw-cyclonedds-cpp \
 && rosdep update --rosdistro ${ROS_DISTRO} \
 && rosdep install --from-paths src --ignore-src -y --skip-keys python3-torch \
 && rm -rf /var/lib/apt/lists/*
COPY requirements src/vif_perception/requirements
RUN python3 -m venv --system-site-packages .venv && touch .venv/COLCON_IGNORE \
 && .venv/bin/pip install --no-cache-dir 'numpy<2' 'setuptools<80' \
 && env ${TORCH_INDEX:+PIP_INDEX_URL="${TORCH_INDEX}"} .venv/bin/pip install --no-cache-dir torch \
 && .venv/bin/pip install --no-cache-dir -r src/vif_perception/requirements/pip_only.txt

COPY . src/vif_perception
RUN . /opt/ros/${ROS_DISTRO}/setup.sh && . .venv/bin/activate \
 && python3 -m colcon build --merge-install --cmake-args -DBUILD_TESTING=OFF \
      -DPython3_EXECUTABLE=/opt/vif/.venv/bin/python3 \
 && rm -rf build log

ENV RMW_IMPLEMENTATION=rmw_cyclonedds_cpp
# exec: signals must reach the launch process, which ends its nodes.
RUN printf '#!/bin/bash\nset -e\n. /opt/ros/%s/setup.bash\n. /opt/vif/install/setup.bash\nexec "$@"\n' \
      "${ROS_DISTRO}" > /entrypoint.sh && chmod +x /entrypoint.sh
# No root where none is needed; cameras come by topics.
RUN useradd --create-home robot
USER robot
# ros2 launch leaves its nodes behind when SIGTERM, the default of docker stop, ends it.
STOPSIGNAL SIGINT
ENTRYPOINT ["/entrypoint.sh"]
CMD ["ros2", "launch", "vif_perception", "fusion.launch.py", "--show-args"]
