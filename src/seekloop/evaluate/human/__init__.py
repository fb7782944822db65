"""What people say of the answers: studies, ratings, agreement, and the report that they become."""
