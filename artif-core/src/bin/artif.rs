//! The `artif` command.

fn main() -> std::process::ExitCode {
    artif_core::cli::run(std::env::args_os(), artif_core::cli::Io::standard()).into()
}
