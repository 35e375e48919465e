"""The laboratory: speech, noise, a recognizer, lists and correctors, all made from nothing by these scripts.

`README.md` says what each script makes. They run as modules, from the folder above: `python -m lab.corpus FOLDER`.
"""
