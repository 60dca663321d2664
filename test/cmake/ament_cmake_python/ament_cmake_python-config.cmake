set(PYTHON_INSTALL_DIR lib/python)
