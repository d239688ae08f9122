"""Where customers' tickets stand and answers are given: a port, and an embedded one."""
