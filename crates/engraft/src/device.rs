//! Where the tensors live: `cpu`, `cuda:0`, `wgpu`.

use burn::tensor::Device;

/// The device of that name, or why this build has none.
pub fn parse(name: &str) -> Result<Device, String> {
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => (
            kind,
            index
                .parse::<usize>()
                .map_err(|_| format!("`{index}` in `{name}` is not a device number"))?,
        ),
        None => (name, 0),
    };
    match kind {
        "cpu" => Ok(Device::flex()),
        "cuda" => cuda(index),
        "wgpu" => wgpu(index),
        _ => Err(format!("unknown device `{name}`; known: cpu, cuda:0, wgpu")),
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device, String> {
    Ok(Device::cuda(index))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_index: usize) -> Result<Device, String> {
    Err("this build has no CUDA; build with `--features cuda`".to_owned())
}

#[cfg(feature = "wgpu")]
fn wgpu(index: usize) -> Result<Device, String> {
    let kind = match index {
        0 => burn::tensor::DeviceKind::DefaultDevice,
        index => burn::tensor::DeviceKind::DiscreteGpu(index.into()),
    };
    Ok(Device::wgpu(kind))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(_index: usize) -> Result<Device, String> {
    Err("this build has no wgpu; build with `--features wgpu`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_cpu_is_always_there_and_a_typo_lists_what_is() {
        assert!(parse("cpu").is_ok());
        assert!(parse("gpu").unwrap_err().contains("known: cpu"));
        assert!(parse("cuda:x").unwrap_err().contains("device number"));
    }
}
