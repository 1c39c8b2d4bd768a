//! Sets the text to its argument, if it has one, and prints the text and its version.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::{env, process, ptr};

#[repr(C)]
pub struct Segment([u8; 0]);

#[repr(C)]
#[derive(Default)]
pub struct Version {
    instance: u64,
    number: u64,
}

#[link(name = "SharedMem")]
extern "C" {
    fn sharedmem_attach_simple(
        name: *const c_char,
        dir: *const c_char,
        capacity: usize,
        flags: u32,
    ) -> *mut Segment;
    fn sharedmem_detach(segment: *mut Segment) -> c_int;
    fn sharedmem_set(
        segment: *mut Segment,
        text: *const c_char,
        length: usize,
        version: *mut Version,
    ) -> c_int;
    fn sharedmem_get_alloc(
        segment: *mut Segment,
        length: *mut usize,
        version: *mut Version,
    ) -> *mut c_char;
    fn sharedmem_free(text: *mut c_char);
    fn sharedmem_last_error() -> *const c_char;
}

/// The library's message about the last call in this thread.
fn last_error() -> String {
    unsafe { CStr::from_ptr(sharedmem_last_error()) }
        .to_string_lossy()
        .into_owned()
}

fn run() -> Result<(), String> {
    let segment = unsafe { sharedmem_attach_simple(ptr::null(), ptr::null(), 0, 0) };
    if segment.is_null() {
        return Err(last_error());
    }
    if let Some(text) = env::args_os().nth(1) {
        let text = text.as_bytes();
        if unsafe { sharedmem_set(segment, text.as_ptr().cast(), text.len(), ptr::null_mut()) } != 0
        {
            return Err(last_error());
        }
    }
    let mut version = Version::default();
    let text = unsafe { sharedmem_get_alloc(segment, ptr::null_mut(), &mut version) };
    if text.is_null() {
        return Err(last_error());
    }
    println!("{}", unsafe { CStr::from_ptr(text) }.to_string_lossy());
    println!("{:016x}-{}", version.instance, version.number);
    unsafe {
        sharedmem_free(text);
        sharedmem_detach(segment);
    }
    Ok(())
}

fn main() {
    if let Err(message) = run() {
        eprintln!("{message}");
        process::exit(1);
    }
}
