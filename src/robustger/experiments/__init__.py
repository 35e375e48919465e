"""The paper's tables and figures as commands, with baselines, controls, intervals, and a record of what made them.

The rooms, from the ground up; each imports only from those before it:

- `experiment`, `conditions`, `data`: the definition of an experiment, and the lists it works on.
- `measures`: error rates with intervals, distances, neighbors, and the paper's published figures.
- `runs`: the trainings that tables share, each in a process of its own.
- `systems`: everything that a table compares: baselines, correctors, other beams.
- `figures`: how results are drawn.
- `tables`: one file for each experiment.
- `record`, `known_experiments`, `perform`: from a name to the written files.
"""
