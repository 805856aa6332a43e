//! Connect peers and run the roles.
