#include "tools/guerdon/cli.hpp"

int main(int argc, char** argv) {
    return tools::run(argc, argv, {});
}
