"""`python -m robustger` is the command `robustger`."""

from robustger.cli import main

main()
