//! The readers of floors 0 and 1 and the fuzz targets over them, without the rest of Restante.

#[path = "../../src/cpim/mod.rs"]
pub mod cpim;
#[path = "../../src/formats/mod.rs"]
pub mod formats;
#[path = "../../src/fuzzing.rs"]
pub mod fuzzing;
#[path = "../../src/msrp/mod.rs"]
pub mod msrp;
#[path = "../../src/sip/mod.rs"]
pub mod sip;
#[path = "../../src/types/mod.rs"]
pub mod types;
