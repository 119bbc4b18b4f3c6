//! The bookstore stage: the shop's logic between http and db.
