"""Backups of the catalog: every row of it in one file, whatever the engine, and the way back.

``frames`` is the file, ``making`` writes one out of a database, ``shelf`` is the directory in which they are kept, and
``loading`` and ``putting_back`` make a database of one.

The rows are written out one by one, and no copy is made of the files of an engine. So there is one way back that is
tested on every engine; a backup of SQLite can be restored into MariaDB, should the host be gone and another one be
there; no program of a server has to be there in the right version; and what cannot be read is noticed at the time.
"""
