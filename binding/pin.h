#ifndef ALKNET_PIN_H
#define ALKNET_PIN_H

namespace alknet {

// Keeps this shared object loaded until the process ends. The Go runtime inside it
// cannot be unloaded: its threads would go on in memory that is not there any more,
// which happens when the worker threads that loaded it have all ended.
void PinThisObject();

}  // namespace alknet

#endif
