find_package(Python3 COMPONENTS Interpreter REQUIRED)
add_test(NAME lint COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tools/lint.py")
add_test(NAME lint.self_test COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tools/lint.py" --self-test)
set_tests_properties(lint lint.self_test PROPERTIES LABELS lint TIMEOUT 60)
