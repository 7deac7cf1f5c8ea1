return { assert = assert, marker = "custom" }
