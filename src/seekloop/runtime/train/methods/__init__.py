"""Methods of tuning: what each makes trainable, and what it leaves behind. One file a method."""
