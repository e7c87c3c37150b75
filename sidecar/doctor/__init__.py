"""What is wrong with the sidecar, and what to do about it.

``evidence`` is what was found out about service, state, database and catalog, as values. ``diagnosis``, ``service``
and ``server`` turn it into findings, whose codes are in ``codes``; all are pure. ``examination`` gathers the evidence,
from ``host`` and from the database, and changes nothing.
"""
