//! The TPC-W-like bookstore's logic and pages, independent of what calls it.
