"""The part of Holdfast that runs beside the disks.

Reading order. The decisions, pure: ``volume`` (is the storage there, and is it the right one?), ``survey`` (what
does a listing say, against what was known?), ``identity`` (which known file is this?), ``settle`` (when is a path
ready to be looked at?). What carries them out: ``engine`` (one volume, step by step), ``worker`` (the process
around one engine), ``supervisor`` (mounts, states and workers; never touches storage). What they stand on:
``ports``, with the kernel behind it in ``linux`` and supported fakes in ``testing``.
"""
