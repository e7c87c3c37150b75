"""Fakes of the agent's ports, supported like any other part: the simulator and the tests run the real engine on
them, and they pass the same conformance tests as the real ports.

Reading order: ``clock``; ``disk``, a file system in memory, and ``faults``, what can be wrong with one; ``host``,
the machine with its mount table; ``mounts``, ``files`` and ``watch``, the ports over it; ``uplink``, a network that
loses things, and a sidecar without a catalog. Nothing in here draws on real time or real randomness.
"""
