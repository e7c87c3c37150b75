"""What is wrong here, and what to do about it.

``evidence`` is what was found out about agent, sidecar and host, as values. ``diagnosis``, ``reach``, ``storage`` and
``folders`` turn it into findings, whose codes are in ``findings``; all are pure. ``host``, ``sidecar`` and ``looking``
are where the evidence comes from: none of them touches storage, except through child processes that ``looking`` gives
up when they do not answer in time.
"""
