"""What it cost: of every run, release and answer, in processor time, money and energy, with formulas."""
