"""Pure text work, Chinese and English: normalise, segment, similarity, personal data."""
