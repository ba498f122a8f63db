#pragma once

#include <string>
#include <vector>

// How criu calls tar for a tmpfs, up to the directory, which "." follows.
namespace criu_node::fuzz {

inline const std::vector<std::string> kTmpfsDump = {"tar",
                                                    "--create",
                                                    "--gzip",
                                                    "--no-unquote",
                                                    "--no-wildcards",
                                                    "--one-file-system",
                                                    "--check-links",
                                                    "--preserve-permissions",
                                                    "--sparse",
                                                    "--numeric-owner",
                                                    "--directory"};

// The same for the archive of one, up to the directory.
inline const std::vector<std::string> kTmpfsRestore = {
    "tar", "--extract", "--gzip", "--no-unquote", "--no-wildcards", "--directory"};

}  // namespace criu_node::fuzz
