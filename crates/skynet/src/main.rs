//! The `skynet` command. What it does is told by `skynet --help`; how, by the modules of [`cli`].

mod cli;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main(std::env::args_os().collect())
}
