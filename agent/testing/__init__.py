"""Fakes of the agent's ports, supported like any other part: the simulator and the tests run the real engine on
them, and they pass the same conformance tests as the real ports.

``disk`` is a file system in memory, ``host`` the mount table and everything that can go wrong, ``files`` and
``watch`` the ports over it, ``uplink`` a network that loses things. Nothing in here draws on real time or real
randomness.
"""
