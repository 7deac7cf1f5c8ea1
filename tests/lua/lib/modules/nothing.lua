local _ = "a module that returns nothing"
