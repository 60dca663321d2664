"""Training of the networks, and the entities of data sets; never imported by the robot.

``recipe`` is the schema of a run, ``engine`` the loop. What it loops over: ``source`` (data sets,
``augmentation``, ``loading``), ``objectives`` (the one place that knows each family's losses),
``balance`` (tasks against each other), ``learner`` (what moves), ``validation`` (which weights are
best). ``run_folder`` and ``checkpoint`` write; ``ship`` makes weights with a card of a run.
"""
