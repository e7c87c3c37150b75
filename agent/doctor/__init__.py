"""What is wrong here, and what to do about it.

``evidence`` is what was found out about agent, sidecar and host, as values. ``diagnosis`` and ``storage`` turn it
into ``findings``; both are pure. ``host``, ``sidecar`` and ``looking`` are where the evidence comes from: none of
them touches storage, except through child processes that ``looking`` gives up when they do not answer in time.
"""
