"""The sidecar: keeps the catalog of assets beside a photo server, and tells it what changed.

A guided tour. The decisions are pure modules and stand at the top:

``asset``        what an asset is, and the one function that says which status its facts add up to
``membership``   which libraries a file belongs to
``reconcile``    known assets and observations in, rows to write and transitions out
``guard``        how much may be lost before a person is asked; with ``holds``, ``policy`` and ``uptime`` beside it
``proofs``       why a file is believed to be gone, in sentences
``companions``   which .xmp file describes which photo
``schedule``     when a schedule falls due, whatever the clock on the wall does
``silence``      which agents have not been heard from
``accounts``     what names and passwords may be, and how passwords are kept; ``throttle``, how often one may try;
                 ``forwarding``, who is behind a proxy
``cursor``       the opaque positions that feed and lists hand out

Around them are rooms that do I/O: ``catalog`` (the database, no web framework), ``api`` (REST), ``web`` (pages, which
ask the endpoints of the API from within), ``worker`` (the process that does what nobody asks for), ``doctor`` (what is
wrong here) and ``cli``. The imports go web -> api, worker, cli -> catalog -> pure modules; ``app`` puts API and pages
together.
"""
