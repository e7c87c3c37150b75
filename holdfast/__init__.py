"""Holdfast tells photo servers the truth about their storage.

A guided tour. Three packages, one direction:

    agent  ->  holdfast  <-  sidecar

``holdfast``
    The contract: what both parts must agree on, and nothing else. Read ``volumes`` (the states storage can be
    in), then ``reports`` (what an agent may say about files), then ``assignments`` (what a sidecar asks for).
    ``paths``, ``patterns``, ``media`` and ``ids`` are the small rules beneath them. ``up`` is the command that
    runs both parts on one machine; it starts them as processes and imports neither. ``client`` is for photo servers.
    ``console``, ``exits``, ``findings`` and ``settings_file`` are what makes the three commands one.
``agent``
    Runs beside the disks. Start with ``agent/volume.py`` and ``agent/survey.py``.
``sidecar``
    Runs beside the photo server. Start with ``sidecar/reconcile.py``.
"""

__version__ = "0.1.0"
