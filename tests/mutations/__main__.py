"""``python -m tests.mutations``: break every safety rule, one at a time, and see whether a test notices."""

from tests.mutations.run import main

raise SystemExit(main())
