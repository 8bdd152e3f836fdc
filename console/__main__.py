"""`python -m console`: the same as `discador`."""

from console.main import main

main()
