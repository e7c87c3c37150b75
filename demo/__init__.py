"""``make demo``: the whole story on two real disks, told on the terminal and checked at each step."""
