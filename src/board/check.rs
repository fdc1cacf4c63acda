//! What a board accepts, and what a write means: pure, the same for every adapter.
