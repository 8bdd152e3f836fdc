"""Property tests here have no deadline: machines differ, and no test asserts a time."""

from hypothesis import settings

settings.register_profile("discador", deadline=None)
settings.load_profile("discador")
