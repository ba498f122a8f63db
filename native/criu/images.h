#pragma once

#include <cstdint>
#include <string>

namespace criu_node {

// The content of a small file in a directory; empty when there is none.
std::string ReadFileAt(int directory, const char* name);

// Whether images are in a directory, and complete: CRIU writes the inventory last.
bool HasInventory(int images_directory);

struct ImagesSize {
  int64_t bytes = 0;
  int64_t files = 0;
};

// The files in a directory: how many there are, and how large they are together.
ImagesSize SizeOfImages(int images_directory);

// Sets the freezer state that CRIU wrote into cgroup.img to THAWED: it writes down what it was
// handed, and a raw `criu restore` would bring the tree back frozen. Throws Failure (stage
// "images") when the image cannot be written.
void ThawCgroupImage(int images_directory);

}  // namespace criu_node
