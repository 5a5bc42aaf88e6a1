//! The cables.
