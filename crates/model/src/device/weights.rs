//! A base model's frozen tensors on a device.

use assay_kernel::cuda::{Device, DeviceError, DeviceSlice};

use crate::base::Base;
use assay_graph::WeightId;

/// Weights, widened where they are held in a shorter form, and rotary tables.
pub(crate) struct DeviceWeights {
    tensors: Vec<DeviceSlice>,
    cosines: DeviceSlice,
    sines: DeviceSlice,
}

impl DeviceWeights {
    pub(crate) fn new(device: &Device, base: &Base) -> Result<Self, DeviceError> {
        let infos = base.spec().weights().iter();
        let widened = base.widened_weights();
        let sizes: Vec<usize> = infos.map(|info| info.shape.iter().product()).collect();
        let tensors = device.reserve_all(&sizes)?;
        for (slice, values) in tensors.iter().zip(widened) {
            device.write(slice, &values)?;
        }
        Ok(Self {
            tensors,
            cosines: device.upload(&base.rope().cos)?,
            sines: device.upload(&base.rope().sin)?,
        })
    }

    pub(crate) fn tensor(&self, id: WeightId) -> DeviceSlice {
        self.tensors[id.index()].clone()
    }

    /// The first values of the cosines.
    pub(crate) fn cosines(&self, values: usize) -> DeviceSlice {
        self.cosines.first(values)
    }

    /// The first values of the sines.
    pub(crate) fn sines(&self, values: usize) -> DeviceSlice {
        self.sines.first(values)
    }
}
