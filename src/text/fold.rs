//! Folding of Vietnamese for matching; never for output.
