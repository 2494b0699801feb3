//! The REST faces, each through the real router.

mod crs;
